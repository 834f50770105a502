/* snapshot.h - the local cluster at one moment, as plain data: what decides sees this and nothing
 * else. */
#pragma once
#include "clusters/kube_object.h"
#include <stddef.h>
#include <stdint.h>

struct snapshot_node {
    struct kube_resources free; /* allocatable − requests of bound, living pods (may be negative) */
    struct kube_resources allocatable;
    struct kube_resources sandboxes; /* of the requests, those of session pods */
};

struct snapshot {
    struct snapshot_node *nodes; /* ready, not cordoned, not tainted */
    size_t node_count;
    struct kube_resources *unbound; /* requests of living pods without a node */
    size_t unbound_count;
    bool known; /* the store is synced and connected */
    int64_t taken_ms;
    int64_t hold_until_ms; /* feedback: until then nothing is placed here (Unschedulable, quota); 0:
                              none */
};
