/* oci_runtime.h - crun, or what a RuntimeClass names: start and delete containers, without blocking
 * the loop.
 *
 * Containers are known to crun by an id, below a root of its own for each namespace:
 * <data_dir>/crun/<namespace>. runsc keeps files rather than a directory for each container, so
 * each gets a root of its own: <data_dir>/runtimes/<class>/<namespace>/<id>. Callbacks: exactly
 * once, never before the call returned, not at all when it failed. */
#pragma once
#include "base/err.h"
#include "base/loop.h"
#include <sys/types.h>

struct config_map;

struct oci_runtime {
    struct loop *loop;
    const char *crun;
    const struct config_map *runtimes; /* RuntimeClass → program */
    const char *data_dir;
};

/* Whom a call is about. */
struct oci_runtime_id {
    const char *runtime_class; /* "": crun */
    const char *namespace_name;
    const char *id;
};

struct oci_runtime_start {
    struct oci_runtime_id who;
    const char *bundle; /* directory with config.json; runtime.log and pid are written beside it */
    int log_fd;         /* standard output and error of the container */
};

/* pid of the container's first process; err NULL on success. */
typedef void oci_runtime_started_f(pid_t pid, const struct err *err, void *user);
typedef void oci_runtime_done_f(const struct err *err, void *user);

int oci_runtime_start(const struct oci_runtime *rt, const struct oci_runtime_start *start,
                      oci_runtime_started_f *done, void *user, struct err *err) CHECK_RESULT;
/* Kills it when it runs; one that is not there is no error. */
int oci_runtime_delete(const struct oci_runtime *rt, const struct oci_runtime_id *who,
                       oci_runtime_done_f *done, void *user, struct err *err) CHECK_RESULT;
/* The pid that an earlier start wrote, 0: none. */
pid_t oci_runtime_read_pid(const char *bundle);
