/* A watch's stream: the same lines however it is cut, and none above the limit. */
#include "clusters/line_splitter.h"
#include "tests/fuzz/fuzz.h"

#define LINE_MAX_BYTES 64

static bool on_line(struct slice line, void *user)
{
    INVARIANT(line.len > 0 && line.len <= LINE_MAX_BYTES && !memchr(line.at, '\n', line.len));
    fuzz_note(user, line.at, line.len);
    fuzz_note(user, "\n", 1);
    return true;
}

static uint64_t split(struct slice in, size_t step)
{
    struct line_splitter s;
    uint64_t sum = 0;
    enum line_splitter_result rc = LINE_SPLITTER_MORE;
    line_splitter_init(&s, LINE_MAX_BYTES);
    for (size_t at = 0; rc == LINE_SPLITTER_MORE && at < in.len; at += step) {
        size_t len = in.len - at < step ? in.len - at : step;
        char *piece = fuzz_copy(in.at + at, len);
        rc = line_splitter_feed(&s, (struct slice){piece, len}, on_line, &sum);
        free(piece);
    }
    fuzz_note(&sum, &rc, sizeof(rc));
    line_splitter_fini(&s);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct slice in = {(const char *)data + 1, size - 1};
    INVARIANT(split(in, in.len) == split(in, fuzz_step(data, size)));
    return 0;
}
