/* usage.h - what the pods really use, from their cgroups: for metrics.k8s.io.
 *
 * CPU is a rate over the samples of the last USAGE_SAMPLES × USAGE_EVERY_MS, as metrics-server
 * gives it; memory is the working set. The node's use is that of its pods: what else the machine
 * does is not this node's. Reads files on the loop: some 0.1 ms a pod each time. Ownership:
 * usage_new() gives; borrows config and store. */
#pragma once
#include "base/cc.h"
#include "base/loop.h"
#include <stdbool.h>
#include <stdint.h>

#define USAGE_EVERY_MS 3000
#define USAGE_SAMPLES  6 /* a window of 15 s */

struct node_config;
struct object_store;
struct usage;

struct usage_amount {
    int64_t nanocores;
    int64_t memory_bytes;
    int64_t wall_ms;   /* the window's end */
    int64_t window_ms; /* as long as there are samples */
};

struct usage *usage_new(struct loop *l, const struct node_config *config,
                        const struct object_store *store) CHECK_RESULT;
void usage_free(struct usage **u);
/* False: not sampled twice yet. */
bool usage_of_node(const struct usage *u, struct usage_amount *out);
bool usage_of_pod(const struct usage *u, const char *uid, struct usage_amount *out);

/* -- the pure part: samples of one thing, oldest first -- */

struct usage_sample {
    int64_t cpu_ns; /* used so far */
    int64_t memory_bytes;
    int64_t now_ms;
    int64_t wall_ms;
};
struct usage_ring {
    struct usage_sample samples[USAGE_SAMPLES];
    int count;
};
/* A counter that went back (another cgroup of the same name) starts the ring anew. */
void usage_ring_add(struct usage_ring *r, const struct usage_sample *s);
bool usage_ring_read(const struct usage_ring *r, struct usage_amount *out);
