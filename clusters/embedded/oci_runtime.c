#include "clusters/embedded/oci_runtime.h"
#include "base/mem.h"
#include "clusters/embedded/child_process.h"
#include "clusters/embedded/names.h"
#include "clusters/embedded/object_files.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define START_MS  20000
#define DELETE_MS 20000

struct runtime_call {
    char *bundle;
    oci_runtime_started_f *started;
    oci_runtime_done_f *done;
    void *user;
};

pid_t oci_runtime_read_pid(const char *bundle)
{
    char path[PATH_MAX];
    char *text = NULL;
    long pid = 0;

    snprintf(path, sizeof path, "%s/pid", bundle);
    text = object_files_get_text(path, 32);
    pid = text ? strtol(text, NULL, 10) : 0;
    free(text);
    return pid > 1 && pid < INT_MAX ? (pid_t)pid : 0;
}

/* crun's own last words are in its log; its standard error is the container's. */
static void explain_start(const char *bundle, const struct child_process_result *r, struct err *err)
{
    char path[PATH_MAX], how[300];
    char *text = NULL;
    size_t len = 0;

    snprintf(path, sizeof path, "%s/crun.log", bundle);
    text = object_files_get_text(path, 65536);
    len = text ? strlen(text) : 0;
    child_process_explain(r, how, sizeof how);
    if (text)
        names_make_printable(text);
    err_set(err, ERR_SYSTEM, "crun: %s%s", len ? text + (len > 250 ? len - 250 : 0) : how, "");
    free(text);
}

static void on_started(const struct child_process_result *r, void *user)
{
    struct runtime_call *call = user;
    struct err err = {.code = ERR_NONE};
    pid_t pid = oci_runtime_read_pid(call->bundle);

    if (r->exit_status != 0 || r->timed_out || pid == 0) {
        explain_start(call->bundle, r, &err);
        call->started(0, &err, call->user);
    } else {
        call->started(pid, NULL, call->user);
    }
    free(call->bundle);
    free(call);
}

static void root_of(const struct oci_runtime *rt, const char *namespace_name, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%s/crun/%s", rt->data_dir, namespace_name);
}

int oci_runtime_start(const struct oci_runtime *rt, const struct oci_runtime_start *s,
                      oci_runtime_started_f *done, void *user, struct err *err)
{
    char root[PATH_MAX], pid[PATH_MAX + 8], log[PATH_MAX + 16];
    struct runtime_call *call = NULL;
    int rc = 0;

    root_of(rt, s->namespace_name, root);
    snprintf(pid, sizeof pid, "%s/pid", s->bundle);
    snprintf(log, sizeof log, "--log=file:%s/crun.log", s->bundle);
    unlink(pid);
    const char *const argv[] = {rt->crun,  "--root",     root,       "--cgroup-manager=cgroupfs",
                                log,       "run",        "--detach", "--bundle",
                                s->bundle, "--pid-file", pid,        s->id,
                                NULL};
    call = mem_alloc(sizeof *call);
    *call = (struct runtime_call){.bundle = mem_text(s->bundle), .started = done, .user = user};
    rc = child_process_run(
        rt->loop,
        &(struct child_process_spec){.argv = argv, .output_fd = s->log_fd, .timeout_ms = START_MS},
        on_started, call, err);
    if (rc < 0) {
        free(call->bundle);
        free(call);
    }
    return rc;
}

static void on_deleted(const struct child_process_result *r, void *user)
{
    struct runtime_call *call = user;
    char how[300];
    struct err err = {.code = ERR_NONE};

    /* --force succeeds for one that is not there; crun 1.8 tells it on standard error. */
    child_process_explain(r, how, sizeof how);
    if (r->timed_out || (r->exit_status != 0 && !strstr(how, "does not exist"))) {
        err_set(&err, ERR_SYSTEM, "crun delete: %s", how);
        call->done(&err, call->user);
    } else {
        call->done(NULL, call->user);
    }
    free(call);
}

int oci_runtime_delete(const struct oci_runtime *rt, const char *namespace_name, const char *id,
                       oci_runtime_done_f *done, void *user, struct err *err)
{
    char root[PATH_MAX];
    struct runtime_call *call = mem_alloc(sizeof *call);
    int rc = 0;

    root_of(rt, namespace_name, root);
    const char *const argv[] = {rt->crun, "--root",  root, "--cgroup-manager=cgroupfs",
                                "delete", "--force", id,   NULL};
    *call = (struct runtime_call){.done = done, .user = user};
    rc = child_process_run(
        rt->loop,
        &(struct child_process_spec){.argv = argv, .output_fd = -1, .timeout_ms = DELETE_MS},
        on_deleted, call, err);
    if (rc < 0)
        free(call);
    return rc;
}
