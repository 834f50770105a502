#include "clusters/embedded/scheduler.h"
#include "base/json.h"
#include "clusters/embedded/container_check.h"
#include <stdio.h>
#include <string.h>

static struct scheduler_amounts read_amounts(const struct json_t *list)
{
    struct scheduler_amounts a = {0};

    if (!container_check_quantity(json_get(list, "cpu"), true, &a.millicpu))
        a.millicpu = 0;
    if (!container_check_quantity(json_get(list, "memory"), false, &a.memory_bytes))
        a.memory_bytes = 0;
    return a;
}

static struct scheduler_amounts container_requests(const struct json_t *container)
{
    return read_amounts(json_at(container, "resources", "requests", NULL));
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

struct scheduler_amounts scheduler_requests(const struct json_t *pod)
{
    const struct json_t *init = json_at(pod, "spec", "initContainers", NULL);
    const struct json_t *containers = json_at(pod, "spec", "containers", NULL);
    struct scheduler_amounts overhead = read_amounts(json_at(pod, "spec", "overhead", NULL));
    struct scheduler_amounts sum = {.pods = 1};

    for (size_t i = 0; i < json_count(containers); i++) {
        struct scheduler_amounts a = container_requests(json_item(containers, i));

        sum.millicpu += a.millicpu;
        sum.memory_bytes += a.memory_bytes;
    }
    for (size_t i = 0; i < json_count(init); i++) {
        struct scheduler_amounts a = container_requests(json_item(init, i));

        sum.millicpu = larger(sum.millicpu, a.millicpu);
        sum.memory_bytes = larger(sum.memory_bytes, a.memory_bytes);
    }
    sum.millicpu += overhead.millicpu;
    sum.memory_bytes += overhead.memory_bytes;
    return sum;
}

bool scheduler_counts(const struct json_t *pod)
{
    const char *phase = json_get_text(json_get(pod, "status"), "phase", "");

    return *json_get_text(json_get(pod, "spec"), "nodeName", "") &&
           strcmp(phase, "Succeeded") != 0 && strcmp(phase, "Failed") != 0;
}

static bool selector_fits(const struct json_t *pod, const struct json_t *labels)
{
    const struct json_t *wanted = json_at(pod, "spec", "nodeSelector", NULL);
    const char *key = NULL;
    struct json_t *value = NULL;
    void *it = NULL;

    while ((it = json_next(wanted, it, &key, &value)))
        if (strcmp(json_get_text(labels, key, "\n"), json_text(value) ? json_text(value) : "") != 0)
            return false;
    return true;
}

bool scheduler_fits(const struct json_t *pod, const struct scheduler_amounts *capacity,
                    const struct scheduler_amounts *used, const struct json_t *labels,
                    char *message, size_t message_size)
{
    struct scheduler_amounts asks = scheduler_requests(pod);
    bool label = selector_fits(pod, labels);
    bool cpu = asks.millicpu <= capacity->millicpu - used->millicpu || asks.millicpu == 0;
    bool memory =
        asks.memory_bytes <= capacity->memory_bytes - used->memory_bytes || asks.memory_bytes == 0;
    bool slot = used->pods < capacity->pods;

    if (label && cpu && memory && slot)
        return true;
    if (!label) /* kube-scheduler stops at the first filter that says no */
        snprintf(message, message_size,
                 "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.");
    else
        snprintf(message, message_size, "0/1 nodes are available: %s%s%s%s%s.",
                 cpu ? "" : "1 Insufficient cpu", cpu || memory ? "" : ", ",
                 memory ? "" : "1 Insufficient memory", (cpu && memory) || slot ? "" : ", ",
                 slot ? "" : "1 Too many pods");
    return false;
}
