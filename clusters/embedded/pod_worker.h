/* pod_worker.h - one pod's life on this node, from bound to removed: a state machine that drives
 * files, network and runtime.
 *
 *   WAITING → FURNISHING → STARTING → RUNNING (→ SWEEPING → STARTING: next container) → STOPPING
 *           → DELETING → CLEARING → ENDED (the object stays) or GONE (removed, DELETED sent)
 *
 * Ownership: pod_worker_new() gives a worker; it goes by itself, at the end of a loop turn, once
 * GONE: `gone` is called then, and whoever keeps pointers drops them there. pod_worker_free() is
 * for the end of the program: the containers run on. Loop:      all on the loop; files and
 * namespaces on uv's threads. */
#pragma once
#include "base/fsm.h"
#include "base/loop.h"
#include "clusters/embedded/cni.h"
#include "clusters/embedded/oci_runtime.h"
#include <stdbool.h>
#include <stdint.h>

struct json_t;
struct node_config;
struct object_store;
struct pod_worker;

struct pod_worker_env {
    struct loop *loop;
    const struct node_config *config;
    struct object_store *store;
    struct oci_runtime runtime;
    struct cni cni;
    const char *host_ip;
    void (*room)(void *user); /* a pod no longer needs its room */
    void (*gone)(struct pod_worker *w, void *user);
    void *user;
};

struct pod_worker *pod_worker_new(const struct pod_worker_env *env,
                                  const struct json_t *pod) CHECK_RESULT;
void pod_worker_free(struct pod_worker **w);
const char *pod_worker_uid(const struct pod_worker *w);
bool pod_worker_waiting(const struct pod_worker *w);
/* Something is under way that will call back: not to be freed. */
bool pod_worker_busy(const struct pod_worker *w);

/* The scheduler's verdict: bound (starts at once), or why not. */
void pod_worker_start(struct pod_worker *w);
void pod_worker_unschedulable(struct pod_worker *w, const char *message);
/* A pod of an earlier run whose main process `pid` still lives. */
void pod_worker_adopt(struct pod_worker *w, pid_t pid);
/* A pod of an earlier run that had started and lives no more. */
void pod_worker_lost(struct pod_worker *w);
/* A pod of an earlier run that had ended. */
void pod_worker_ended(struct pod_worker *w);
/* The pod is to go: SIGTERM, SIGKILL after the grace, then everything of it. Again with a shorter
 * grace: that one counts. */
void pod_worker_stop(struct pod_worker *w, int64_t grace_ms);
/* activeDeadlineSeconds was changed. */
void pod_worker_deadline_changed(struct pod_worker *w);
/* Descriptor of a container's log, lent; -1: nothing was written yet. False: no such container. */
bool pod_worker_log(const struct pod_worker *w, const char *container, int *fd, bool *started);
