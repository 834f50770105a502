/* scheduler.h - does a pod fit on the one node? Pure: numbers in, a verdict in Kubernetes' words
 * out. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_t;

struct scheduler_amounts {
    int64_t millicpu;
    int64_t memory_bytes;
    int64_t pods;
};

/* What a pod asks for: the larger of its containers' sum and its biggest init container; pods = 1.
 */
struct scheduler_amounts scheduler_requests(const struct json_t *pod);
/* Counts against the node: bound to it and neither Succeeded nor Failed. */
bool scheduler_counts(const struct json_t *pod);
/* True when it fits; else `message` says why, as kube-scheduler does. `labels`: the node's, for
 * nodeSelector. */
bool scheduler_fits(const struct json_t *pod, const struct scheduler_amounts *capacity,
                    const struct scheduler_amounts *used, const struct json_t *labels,
                    char *message, size_t message_size);
