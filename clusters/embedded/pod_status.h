/* pod_status.h - the status of a pod object from what its worker knows. Pure: edits a copy that the
 * caller then stores. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define POD_STATUS_CONTAINERS_MAX 9

struct json_t;

enum pod_run { POD_RUN_WAITING, POD_RUN_RUNNING, POD_RUN_ENDED };

/* One container, as the runtime sees it. */
struct pod_status_container {
    enum pod_run run;
    const char *reason; /* borrowed; waiting or ended: "PodInitializing", "OOMKilled", … */
    char message[300];
    int exit_code;
    int signal;
    int64_t started_wall_ms;
    int64_t ended_wall_ms;
};

struct pod_status {
    const char *phase;   /* Pending, Running, Succeeded, Failed */
    const char *reason;  /* of the pod, or NULL */
    const char *message; /* or NULL */
    const char *pod_ip;  /* "" until known */
    const char *host_ip;
    bool scheduled;
    const char *unschedulable; /* message, when not scheduled */
    bool initialized;
    bool ready;
    int64_t started_wall_ms; /* when the node took it, 0: not yet */
    unsigned init_count;
    struct pod_status_container
        containers[POD_STATUS_CONTAINERS_MAX]; /* init containers, then the main one */
};

/* Replaces pod.status; transition times of conditions that did not change stay. */
void pod_status_write(struct json_t *pod, const struct pod_status *s, int64_t wall_ms);
/* "2026-01-02T03:04:05Z", as metav1.Time prints. */
void pod_status_time(int64_t wall_ms, char out[32]);
const char *pod_status_phase(const struct json_t *pod);
/* "Guaranteed", "Burstable" or "BestEffort". */
const char *pod_status_qos(const struct json_t *pod);
