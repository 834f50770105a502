/* container_run.h - one container of a pod: its bundle, crun, its log, its exit, and its removal.
 *
 * Ownership: container_run_new() gives; texts and objects in the arguments are borrowed and must
 * live as long. Freeing leaves the container as it is. Not to be freed between a start or delete
 * and its callback. Callbacks: each exactly once, never before the call that asked for it returned.
 * `exited` only after a start or adoption. */
#pragma once
#include "base/cc.h"
#include "base/err.h"
#include "base/loop.h"
#include <stdbool.h>
#include <sys/types.h>

struct container_run;
struct json_t;
struct node_config;
struct oci_runtime;

struct container_run_exit {
    bool known;    /* false: nobody saw how it ended */
    int exit_code; /* as a shell says it: 128 + signal */
    int signal;
    bool oom_killed;
};

struct container_run_events {
    void (*started)(const struct err *err, void *user); /* err NULL: it runs */
    void (*exited)(const struct container_run_exit *e, void *user);
    void (*deleted)(void *user); /* tried until nothing more can be done */
};

struct container_run_args {
    struct loop *loop;
    const struct node_config *config;
    const struct oci_runtime *runtime;
    const struct json_t *pod;
    const struct json_t *container;
    const char *dir; /* the pod's, see pod_files.h */
    int init_index;  /* -1: the main container, which crun knows by the pod's name */
    const struct container_run_events *events;
    void *user;
};

struct container_run *container_run_new(const struct container_run_args *args) CHECK_RESULT;
void container_run_free(struct container_run **r); /* NULL accepted */
int container_run_start(struct container_run *r, struct err *err) CHECK_RESULT;
/* A process of an earlier run of the node; its log is read through its own descriptor. */
int container_run_adopt(struct container_run *r, pid_t pid, struct err *err) CHECK_RESULT;
/* One that an earlier run may have left in crun. */
void container_run_mark_left(struct container_run *r);
void container_run_signal(struct container_run *r, int signum);
/* No `exited` from now on. */
void container_run_unwatch(struct container_run *r);
/* Is there something for container_run_delete()? */
bool container_run_in_runtime(const struct container_run *r);
/* Kills and removes: crun's state, then the cgroup. */
void container_run_delete(struct container_run *r);
int container_run_log_fd(const struct container_run *r); /* lent; -1: none */

/* The main process of a pod of an earlier run, 0: none lives. */
pid_t container_run_find_process(const struct node_config *config, const struct json_t *pod);
