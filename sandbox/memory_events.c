#include "sandbox/memory_events.h"
#include "base/cc.h"
#include "sandbox/kernel_file.h"
#include <stdlib.h>
#include <unistd.h>

static int64_t ours = -1;

int64_t memory_events_parse(struct slice text)
{
    static const char key[] = "oom_kill ";
    const char *p = text.at, *end = text.at + text.len;
    while (p < end) {
        const char *line_end = memchr(p, '\n', (size_t)(end - p));
        struct slice line = {p, (size_t)((line_end ? line_end : end) - p)};
        if (slice_starts_with(line, key)) {
            int64_t n = 0;
            for (size_t i = sizeof(key) - 1; i < line.len && n < INT64_MAX / 16; i++) {
                if (line.at[i] < '0' || line.at[i] > '9')
                    return -1;
                n = n * 10 + (line.at[i] - '0');
            }
            return n;
        }
        p = line_end ? line_end + 1 : end;
    }
    return -1;
}

int64_t memory_events_kills(void)
{
    static const char *const files[] = {"/sys/fs/cgroup/memory.events",
                                        "/sys/fs/cgroup/memory/memory.oom_control"};
    char text[1024];
    if (ours >= 0)
        return ours;
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        ssize_t n = kernel_file_read(files[i], text, sizeof(text));
        int64_t kills = n > 0 ? memory_events_parse((struct slice){text, (size_t)n}) : -1;
        if (kills >= 0)
            return kills;
    }
    return -1;
}

int64_t memory_events_used(void)
{
    static const char *const files[] = {"/sys/fs/cgroup/memory.current",
                                        "/sys/fs/cgroup/memory/memory.usage_in_bytes"};
    char text[32];
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        if (kernel_file_read(files[i], text, sizeof(text)) > 0)
            return strtoll(text, NULL, 10);
    return -1;
}

void memory_events_count_ours(void)
{
    ours = 0;
}

void memory_events_count(void)
{
    ours++;
}
