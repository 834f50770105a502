/* kube_object.h - pods and nodes as plain data: the few fields that Spillway reads, from the API's
 * JSON. Pure.
 *
 * Ownership: kube_pod_parse() gives an object that has its texts behind it, in one block: a cluster
 * has many pods. kube_pod_free() frees it. Absent texts are "". */
#pragma once
#include "base/cc.h"
#include "base/err.h"
#include <stdbool.h>
#include <stdint.h>

struct json_t;

enum kube_phase { KUBE_PENDING, KUBE_RUNNING, KUBE_SUCCEEDED, KUBE_FAILED, KUBE_UNKNOWN };

struct kube_resources {
    int64_t millicpu;
    int64_t memory_bytes;
    int64_t ephemeral_bytes;
    int64_t pods;
};

/* What a session's pod says of its session (docs/agent-api.md). All "" / 0 on a pod that is not
 * ours. */
struct kube_session_marks {
    const char *session_id;
    const char *tenant;
    const char *epoch;
    const char *nonce;
    const char *fingerprint;
    const char *spec_json;
    int64_t deadline_wall_ms; /* 0: none or unreadable */
};

struct kube_pod {
    const char *namespace_name;
    const char *name;
    const char *uid;
    const char *resource_version;
    const char *node_name;
    const char *pod_ip;
    enum kube_phase phase;
    bool ready;         /* condition Ready is True */
    bool terminating;   /* deletionTimestamp is set */
    bool unschedulable; /* PodScheduled=False, reason Unschedulable */
    bool
        image_error; /* a container waits with ErrImagePull, ImagePullBackOff, InvalidImageName … */
    bool oom_killed; /* the container was OOMKilled */
    bool evicted;
    int exit_code; /* of the terminated container, -1: none */
    const char
        *reason; /* of status, a waiting or terminated container, or an unmet condition: for people
                  */
    const char *message;
    int64_t created_wall_ms;
    int64_t ready_wall_ms; /* lastTransitionTime of Ready, 0: not ready */
    struct kube_resources
        requests; /* max(sum of containers, biggest init container) + overhead; pods = 1 */
    struct kube_session_marks marks;
};

struct kube_node {
    char *name;
    char *uid;
    char *resource_version;
    bool ready;
    bool unschedulable; /* cordoned */
    bool tainted;       /* a NoSchedule or NoExecute taint that sandbox pods do not tolerate */
    struct kube_resources allocatable;
};

struct kube_pod *kube_pod_parse(const struct json_t *object, struct err *err) CHECK_RESULT;
void kube_pod_free(struct kube_pod **p);
struct kube_node *kube_node_parse(const struct json_t *object, struct err *err) CHECK_RESULT;
void kube_node_free(struct kube_node **n);
/* Neither Succeeded nor Failed. */
bool kube_pod_alive(const struct kube_pod *p);
/* RFC 3339 (with or without fraction) to Unix milliseconds; false when unreadable. And back:
 * "2026-01-02T03:04:05.678Z". */
bool kube_time_parse(const char *text, int64_t *wall_ms);
void kube_time_print(int64_t wall_ms, char out[32]);
/* Is resourceVersion `a` older than `b`? They are opaque: only two plain whole numbers can be told
 * apart, anything else is "no". */
bool kube_version_older(const char *a, const char *b);
