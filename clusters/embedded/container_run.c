#include "clusters/embedded/container_run.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "clusters/embedded/cgroup.h"
#include "clusters/embedded/exit_watch.h"
#include "clusters/embedded/node_config.h"
#include "clusters/embedded/oci_runtime.h"
#include "clusters/embedded/oci_spec.h"
#include "clusters/embedded/pod_bundle.h"
#include "clusters/embedded/pod_files.h"
#include "clusters/embedded/runtime_cpu.h"
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CGROUP_MOUNT   "/sys/fs/cgroup"
#define DELETE_TRIES   5
#define DELETE_WAIT_MS 200
#define COMPANIONS_MAX 4

struct container_run {
    struct container_run_args args;
    const char *namespace_name, *runtime_class;
    char *id, *cgroup;
    int log_fd;
    struct exit_watch *watch;
    struct exit_watch *companions[COMPANIONS_MAX]; /* see watch_companions() */
    struct timer *retry;
    unsigned delete_tries;
    bool in_runtime; /* crun may know it */
    bool killed;     /* the SIGKILL is ours */
};

static char *cgroup_path(const struct node_config *config, const char *uid, int init_index)
{
    return init_index < 0 ? mem_format("%s/%s", config->cgroup_root, uid)
                          : mem_format("%s/%s.%d", config->cgroup_root, uid, init_index);
}

struct container_run *container_run_new(const struct container_run_args *args)
{
    struct container_run *r = mem_alloc(sizeof *r);
    const struct json_t *meta = json_get(args->pod, "metadata");
    const char *uid = json_get_text(meta, "uid", "");

    r->args = *args;
    r->namespace_name = json_get_text(meta, "namespace", "");
    r->runtime_class = json_get_text(json_get(args->pod, "spec"), "runtimeClassName", "");
    r->id = args->init_index < 0 ? mem_text(json_get_text(meta, "name", ""))
                                 : mem_format("%s.%d", uid, args->init_index);
    r->cgroup = cgroup_path(args->config, uid, args->init_index);
    r->log_fd = -1;
    return r;
}

void container_run_free(struct container_run **run)
{
    struct container_run *r = *run;

    if (!r)
        return;
    exit_watch_stop(&r->watch);
    for (unsigned i = 0; i < COMPANIONS_MAX; i++)
        exit_watch_stop(&r->companions[i]);
    timer_free(loop_world(r->args.loop), &r->retry);
    if (r->log_fd >= 0)
        close(r->log_fd);
    free(r->id);
    free(r->cgroup);
    free(r);
    *run = NULL;
}

static struct oci_runtime_id who_is(const struct container_run *r)
{
    return (struct oci_runtime_id){r->runtime_class, r->namespace_name, r->id};
}

/* -- running -- */

static void on_exit_seen(const struct exit_watch_result *seen, void *user)
{
    struct container_run *r = user;
    struct container_run_exit e = {.known = seen->known, .signal = seen->signal};

    e.exit_code = seen->signal ? 128 + seen->signal : seen->exit_status;
    e.oom_killed = seen->known && seen->signal == SIGKILL && !r->killed &&
                   cgroup_oom_kills(CGROUP_MOUNT, r->cgroup) > 0;
    exit_watch_stop(&r->watch);
    r->args.events->exited(&e, r->args.user);
}

static void on_companion_exit(const struct exit_watch_result *seen, void *user)
{
    (void)seen;
    exit_watch_stop(user);
}

/* runsc leaves a second process, which serves files, an orphan of ours too: it must be reaped, or
 * its number stays taken and runsc waits for it at the deletion. */
static void watch_companions(struct container_run *r, pid_t main_pid)
{
    pid_t pids[COMPANIONS_MAX + 1];
    unsigned count = cgroup_find_children(CGROUP_MOUNT, r->cgroup, getpid(), pids, ARRAY_LEN(pids));
    struct err err = {.code = ERR_NONE};

    for (unsigned i = 0, used = 0; i < count && used < COMPANIONS_MAX; i++)
        if (pids[i] != main_pid &&
            exit_watch_start(r->args.loop, pids[i], on_companion_exit, &r->companions[used],
                             &r->companions[used], &err) == 0)
            used++;
}

static bool has_own_kernel(const struct container_run *r)
{
    return node_config_is_sandbox(&r->args.config->runtimes, r->runtime_class);
}

static int divide_cpu(const struct container_run *r, pid_t pid, struct err *err)
{
    struct oci_spec_cpu cpu = oci_spec_cpu(r->args.pod, r->args.container);

    return runtime_cpu_divide(CGROUP_MOUNT, r->cgroup, &cpu, pid, err);
}

static void on_started(pid_t pid, const struct err *err, void *user)
{
    struct container_run *r = user;
    struct err own = {.code = ERR_NONE};

    if (!err && has_own_kernel(r) && divide_cpu(r, pid, &own) < 0)
        err = &own;
    if (!err && exit_watch_start(r->args.loop, pid, on_exit_seen, r, &r->watch, &own) < 0)
        err = &own;
    if (!err && *r->runtime_class)
        watch_companions(r, pid);
    r->args.events->started(err, r->args.user);
}

int container_run_start(struct container_run *r, struct err *err)
{
    const struct container_run_args *a = &r->args;
    char bundle[PATH_MAX];
    int rc = pod_bundle_write(&(struct pod_bundle){.dir = a->dir,
                                                   .config = a->config,
                                                   .pod = a->pod,
                                                   .container = a->container,
                                                   .cgroups_path = r->cgroup},
                              bundle, err);

    if (rc == 0 && has_own_kernel(r)) {
        struct oci_spec_cpu cpu = oci_spec_cpu(a->pod, a->container);
        rc = runtime_cpu_make(CGROUP_MOUNT, r->cgroup, &cpu, err);
    }
    if (rc < 0)
        return rc;
    r->log_fd = pod_files_open_log(a->dir, json_get_text(a->container, "name", ""));
    if (r->log_fd < 0)
        return err_set(err, ERR_SYSTEM, "the container's log cannot be opened");
    r->in_runtime = true;
    return oci_runtime_start(
        a->runtime,
        &(struct oci_runtime_start){.who = who_is(r), .bundle = bundle, .log_fd = r->log_fd},
        on_started, r, err);
}

int container_run_adopt(struct container_run *r, pid_t pid, struct err *err)
{
    char path[64];

    /* The log's file system belongs to the mount namespace of the node that died; the container
     * still has it open. */
    snprintf(path, sizeof path, "/proc/%d/fd/1", (int)pid);
    r->log_fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    r->in_runtime = true;
    return exit_watch_start(r->args.loop, pid, on_exit_seen, r, &r->watch, err);
}

void container_run_mark_left(struct container_run *r)
{
    r->in_runtime = true;
}

void container_run_signal(struct container_run *r, int signum)
{
    r->killed = r->killed || signum == SIGKILL;
    if (r->watch)
        exit_watch_signal(r->watch, signum);
}

void container_run_unwatch(struct container_run *r)
{
    exit_watch_stop(&r->watch);
}

int container_run_log_fd(const struct container_run *r)
{
    return r->log_fd;
}

/* -- removing -- */

static void try_delete(void *user);

static void on_deleted(const struct err *err, void *user)
{
    struct container_run *r = user;

    if (err && ++r->delete_tries < DELETE_TRIES) {
        cgroup_kill(CGROUP_MOUNT, r->cgroup);
        if (!r->retry)
            r->retry = timer_new(loop_world(r->args.loop), try_delete, r);
        timer_start(loop_world(r->args.loop), r->retry, DELETE_WAIT_MS, 0);
        return;
    }
    if (err)
        LOG(LOG_ERROR, "container_not_deleted", KV("container", (const char *)r->id),
            KV("error", (const char *)err->msg));
    cgroup_remove(CGROUP_MOUNT, r->cgroup);
    r->in_runtime = false;
    r->args.events->deleted(r->args.user);
}

struct delete_failure {
    struct container_run *run;
    struct err err;
};

/* The callback never runs before the call that asked for it returned. */
static void report_failure(void *user)
{
    struct delete_failure *f = user;

    on_deleted(&f->err, f->run);
    free(f);
}

static void try_delete(void *user)
{
    struct container_run *r = user;
    struct delete_failure *failure = NULL;
    struct oci_runtime_id who = who_is(r);
    struct err err = {.code = ERR_NONE};

    if (oci_runtime_delete(r->args.runtime, &who, on_deleted, r, &err) == 0)
        return;
    failure = mem_alloc(sizeof *failure);
    *failure = (struct delete_failure){r, err};
    loop_defer(r->args.loop, report_failure, failure);
}

bool container_run_in_runtime(const struct container_run *r)
{
    return r->in_runtime;
}

void container_run_delete(struct container_run *r)
{
    r->delete_tries = 0;
    try_delete(r);
}

/* -- of an earlier run -- */

pid_t container_run_find_process(const struct node_config *config, const struct json_t *pod)
{
    const char *uid = json_get_text(json_get(pod, "metadata"), "uid", "");
    const char *container =
        json_get_text(json_item(json_at(pod, "spec", "containers", NULL), 0), "name", "");
    char *cgroup = cgroup_path(config, uid, -1);
    char bundle[PATH_MAX];
    pid_t pid = 0;

    snprintf(bundle, sizeof bundle, "%s/run/%s/bundle/%s", config->data_dir, uid, container);
    /* Started, but never said to be so: nobody has used it, it starts anew. */
    if (*json_get_text(json_get(pod, "status"), "podIP", ""))
        pid = oci_runtime_read_pid(bundle);
    /* The number alone proves nothing: it must be in the pod's own cgroup. */
    if (pid && !cgroup_holds(pid, cgroup))
        pid = 0;
    free(cgroup);
    return pid;
}
