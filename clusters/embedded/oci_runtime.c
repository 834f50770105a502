#include "clusters/embedded/oci_runtime.h"
#include "base/config.h"
#include "base/mem.h"
#include "clusters/embedded/child_process.h"
#include "clusters/embedded/names.h"
#include "clusters/embedded/node_config.h"
#include "clusters/embedded/object_files.h"
#include "clusters/embedded/pod_files.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define START_MS  20000
#define DELETE_MS 20000

struct runtime_call {
    char *bundle;
    char *own_root; /* NULL: shared with others */
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

/* The runtime's own last words are in its log; its standard error is the container's. */
static void explain_start(const char *bundle, const struct child_process_result *r, struct err *err)
{
    char path[PATH_MAX], how[300];
    char *text = NULL;
    size_t len = 0;

    snprintf(path, sizeof path, "%s/runtime.log", bundle);
    text = object_files_get_text(path, 65536);
    len = text ? strlen(text) : 0;
    child_process_explain(r, how, sizeof how);
    if (text)
        names_make_printable(text);
    err_set(err, ERR_SYSTEM, "the runtime: %s%s", len ? text + (len > 250 ? len - 250 : 0) : how,
            "");
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

/* The program and its options, up to the command. */
struct command {
    const char *argv[24];
    size_t count;
    char root[PATH_MAX], log[PATH_MAX + 32], pid[PATH_MAX + 8];
    bool sandbox;
};

static void add(struct command *c, const char *argument)
{
    INVARIANT(c->count + 1 < ARRAY_LEN(c->argv));
    c->argv[c->count++] = argument;
    c->argv[c->count] = NULL;
}

static int make_parents(const char *root, size_t from, struct err *err)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s", root);
    for (char *slash = path + from; slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(path, 0711) < 0 && errno != EEXIST)
            return err_set_errno(err, ERR_SYSTEM, errno, "%s", path);
        *slash = '/';
    }
    return 0;
}

/* runsc: the root file systems are shared and read-only, so nothing is laid over them; the system
 * calls of the specification are held against the pod's, on top of runsc's own kernel. */
static void add_options(struct command *c)
{
    if (c->sandbox) {
        add(c, "--overlay2=none");
        add(c, "--oci-seccomp");
    } else {
        add(c, "--cgroup-manager=cgroupfs");
    }
}

static int begin_command(const struct oci_runtime *rt, const struct oci_runtime_id *who,
                         struct command *c, struct err *err)
{
    const char *program = rt->crun;
    int rc = 0;

    c->count = 0;
    c->sandbox = node_config_is_sandbox(rt->runtimes, who->runtime_class);
    if (!*who->runtime_class) {
        snprintf(c->root, sizeof c->root, "%s/crun/%s", rt->data_dir, who->namespace_name);
    } else {
        program = config_map_get(rt->runtimes, who->runtime_class);
        snprintf(c->root, sizeof c->root, "%s/runtimes/%s/%s/%s", rt->data_dir, who->runtime_class,
                 who->namespace_name, who->id);
        rc = make_parents(c->root, strlen(rt->data_dir) + 1, err);
    }
    if (rc == 0 && !program)
        rc = err_set(err, ERR_CONFIG, "RuntimeClass %s: there is no such runtime here any more",
                     who->runtime_class);
    if (rc < 0)
        return rc;
    add(c, program);
    add(c, "--root");
    add(c, c->root);
    add_options(c);
    return 0;
}

static int run(const struct oci_runtime *rt, const struct command *c, int log_fd,
               int64_t timeout_ms, child_process_done_f *done, struct runtime_call *call,
               struct err *err)
{
    int rc = child_process_run(rt->loop,
                               &(struct child_process_spec){
                                   .argv = c->argv, .output_fd = log_fd, .timeout_ms = timeout_ms},
                               done, call, err);

    if (rc < 0) {
        free(call->bundle);
        free(call->own_root);
        free(call);
    }
    return rc;
}

int oci_runtime_start(const struct oci_runtime *rt, const struct oci_runtime_start *s,
                      oci_runtime_started_f *done, void *user, struct err *err)
{
    struct command c;
    struct runtime_call *call = NULL;

    if (begin_command(rt, &s->who, &c, err) < 0)
        return -(int)err->code;
    snprintf(c.pid, sizeof c.pid, "%s/pid", s->bundle);
    snprintf(c.log, sizeof c.log, "--log=%s%s/runtime.log", c.sandbox ? "" : "file:", s->bundle);
    unlink(c.pid);
    add(&c, c.log);
    add(&c, "run");
    add(&c, "--detach");
    add(&c, "--bundle");
    add(&c, s->bundle);
    add(&c, "--pid-file");
    add(&c, c.pid);
    add(&c, s->who.id);
    call = mem_alloc(sizeof *call);
    *call = (struct runtime_call){.bundle = mem_text(s->bundle), .started = done, .user = user};
    return run(rt, &c, s->log_fd, START_MS, on_started, call, err);
}

/* runsc leaves the network namespace of its file server mounted there. */
static void remove_root(const char *root)
{
    char mounted[PATH_MAX + 16];

    snprintf(mounted, sizeof mounted, "%s/null-netns", root);
    umount2(mounted, MNT_DETACH | UMOUNT_NOFOLLOW);
    pod_files_remove(root);
}

static void on_deleted(const struct child_process_result *r, void *user)
{
    struct runtime_call *call = user;
    char how[300];
    struct err err = {.code = ERR_NONE};

    /* --force succeeds for one that is not there; crun 1.8 tells it on standard error. */
    child_process_explain(r, how, sizeof how);
    if (r->timed_out || (r->exit_status != 0 && !strstr(how, "does not exist"))) {
        err_set(&err, ERR_SYSTEM, "the runtime's delete: %s", how);
        call->done(&err, call->user);
    } else {
        if (call->own_root)
            remove_root(call->own_root);
        call->done(NULL, call->user);
    }
    free(call->own_root);
    free(call);
}

int oci_runtime_delete(const struct oci_runtime *rt, const struct oci_runtime_id *who,
                       oci_runtime_done_f *done, void *user, struct err *err)
{
    struct command c;
    struct runtime_call *call = NULL;

    if (begin_command(rt, who, &c, err) < 0)
        return -(int)err->code;
    add(&c, "delete");
    add(&c, "--force");
    add(&c, who->id);
    call = mem_alloc(sizeof *call);
    *call = (struct runtime_call){
        .own_root = *who->runtime_class ? mem_text(c.root) : NULL, .done = done, .user = user};
    return run(rt, &c, -1, DELETE_MS, on_deleted, call, err);
}
