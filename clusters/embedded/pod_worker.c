#include "clusters/embedded/pod_worker.h"
#include "base/fsm.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "clusters/embedded/cgroup.h"
#include "clusters/embedded/exit_watch.h"
#include "clusters/embedded/netns.h"
#include "clusters/embedded/node_config.h"
#include "clusters/embedded/object_store.h"
#include "clusters/embedded/oci_spec.h"
#include "clusters/embedded/pod_bundle.h"
#include "clusters/embedded/pod_check.h"
#include "clusters/embedded/pod_files.h"
#include "clusters/embedded/pod_status.h"
#include "clusters/kube_object.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#define CGROUP_MOUNT   "/sys/fs/cgroup"
#define DELETE_TRIES   5
#define DELETE_WAIT_MS 200

#define POD_WORKER_STATES(X)                                                                       \
    X(WORKER, WAITING,                                                                             \
      FSM_TO(WORKER_PREPARING) | FSM_TO(WORKER_RUNNING) | FSM_TO(WORKER_DELETING) |                \
          FSM_TO(WORKER_ENDED) | FSM_TO(WORKER_GONE))                                              \
    X(WORKER, PREPARING, FSM_TO(WORKER_NETWORKING) | FSM_TO(WORKER_DELETING))                      \
    X(WORKER, NETWORKING, FSM_TO(WORKER_STARTING) | FSM_TO(WORKER_DELETING))                       \
    X(WORKER, STARTING, FSM_TO(WORKER_RUNNING) | FSM_TO(WORKER_DELETING))                          \
    X(WORKER, RUNNING,                                                                             \
      FSM_TO(WORKER_SWEEPING) | FSM_TO(WORKER_STOPPING) | FSM_TO(WORKER_DELETING))                 \
    X(WORKER, SWEEPING, FSM_TO(WORKER_STARTING) | FSM_TO(WORKER_DELETING))                         \
    X(WORKER, STOPPING, FSM_TO(WORKER_DELETING))                                                   \
    X(WORKER, DELETING, FSM_TO(WORKER_UNPLUGGING))                                                 \
    X(WORKER, UNPLUGGING, FSM_TO(WORKER_CLEARING))                                                 \
    X(WORKER, CLEARING, FSM_TO(WORKER_ENDED) | FSM_TO(WORKER_GONE))                                \
    X(WORKER, ENDED, FSM_TO(WORKER_GONE))                                                          \
    X(WORKER, GONE, 0)

enum worker_state { POD_WORKER_STATES(FSM_ENUM) WORKER_STATE_COUNT };
static const struct fsm_state states[] = {POD_WORKER_STATES(FSM_STATE)};
static const struct fsm_table table = {"pod_worker", states, WORKER_STATE_COUNT};

struct pod_worker {
    struct fsm fsm;
    const struct pod_worker_env *env;
    struct json_t *pod; /* as it was created: its spec does not change, but for the deadline */
    const char *namespace_name, *name, *uid;
    char *dir, *netns;
    struct pod_status status;
    char pod_ip[64];
    char unschedulable[400], message[400];
    unsigned index; /* the container that is, or is to be, at work */
    int logs[POD_STATUS_CONTAINERS_MAX];
    struct exit_watch *watch;
    struct timer *grace, *deadline, *retry;
    unsigned delete_tries;
    bool in_runtime; /* crun may know the container `index` */
    bool plugged;    /* CNI may have given something */
    bool deleting;   /* the object is to go when all else has gone */
    bool quitting;   /* no further container starts */
    bool killed;     /* the signal that ends it is ours */
    uv_work_t work;  /* PREPARING, CLEARING */
    struct err work_err;
    bool work_ok;
};

static void go(struct pod_worker *w, enum worker_state to);

/* -- what it is made of -- */

static const struct json_t *container_at(const struct pod_worker *w, unsigned index)
{
    bool init = index < w->status.init_count;
    const struct json_t *list =
        json_at(w->pod, "spec", init ? "initContainers" : "containers", NULL);

    return json_item(list, init ? index : index - w->status.init_count);
}

static bool is_main(const struct pod_worker *w)
{
    return w->index == w->status.init_count;
}

/* The main container is known to crun by the pod's name, in its namespace's root: what an operator
 * looks for. */
static void container_id(const struct pod_worker *w, char out[256])
{
    if (is_main(w))
        snprintf(out, 256, "%s", w->name);
    else
        snprintf(out, 256, "%s.%u", w->uid, w->index);
}

static void cgroup_path(const struct node_config *config, const char *uid, unsigned init_index,
                        bool main_one, char out[512])
{
    if (main_one)
        snprintf(out, 512, "%s/%s", config->cgroup_root, uid);
    else
        snprintf(out, 512, "%s/%s.%u", config->cgroup_root, uid, init_index);
}

static void own_cgroup(const struct pod_worker *w, char out[512])
{
    cgroup_path(w->env->config, w->uid, w->index, is_main(w), out);
}

static struct world *world_of(const struct pod_worker *w)
{
    return loop_world(w->env->loop);
}

static int64_t wall_ms(const struct pod_worker *w)
{
    return world_wall_ms(world_of(w));
}

static struct pod_status_container *current(struct pod_worker *w)
{
    return &w->status.containers[w->index];
}

static void publish(struct pod_worker *w)
{
    struct json_t *old = object_store_get(w->env->store, OBJECT_POD, w->namespace_name, w->name);
    struct json_t *pod = NULL;
    struct err err = {.code = ERR_NONE};

    if (!old || strcmp(json_get_text(json_get(old, "metadata"), "uid", ""), w->uid) != 0)
        return;
    pod = json_copy(old);
    if (w->status.scheduled)
        json_set_text(json_get(pod, "spec"), "nodeName", w->env->config->name);
    pod_status_write(pod, &w->status, wall_ms(w));
    if (object_store_put(w->env->store, OBJECT_POD, pod, &err) < 0)
        LOG(LOG_ERROR, "pod_status_not_stored", KV("pod", w->name),
            KV("error", (const char *)err.msg));
}

/* -- begin and end of the object -- */

struct pod_worker *pod_worker_new(const struct pod_worker_env *env, const struct json_t *pod)
{
    struct pod_worker *w = mem_alloc(sizeof *w);
    const struct json_t *meta = NULL;

    fsm_init(&w->fsm, &table, WORKER_WAITING);
    w->env = env;
    w->pod = json_copy(pod);
    meta = json_get(w->pod, "metadata");
    w->namespace_name = json_get_text(meta, "namespace", "");
    w->name = json_get_text(meta, "name", "");
    w->uid = json_get_text(meta, "uid", "");
    w->dir = mem_format("%s/run/%s", env->config->data_dir, w->uid);
    w->netns = mem_format("%s/netns", w->dir);
    w->status =
        (struct pod_status){.phase = "Pending", .pod_ip = w->pod_ip, .host_ip = env->host_ip};
    w->status.init_count = (unsigned)json_count(json_at(w->pod, "spec", "initContainers", NULL));
    for (unsigned i = 0; i < POD_STATUS_CONTAINERS_MAX; i++) {
        w->status.containers[i].reason =
            w->status.init_count ? "PodInitializing" : "ContainerCreating";
        w->logs[i] = -1;
    }
    return w;
}

void pod_worker_free(struct pod_worker **worker)
{
    struct pod_worker *w = *worker;

    if (!w)
        return;
    exit_watch_stop(&w->watch);
    timer_free(world_of(w), &w->grace);
    timer_free(world_of(w), &w->deadline);
    timer_free(world_of(w), &w->retry);
    for (unsigned i = 0; i < POD_STATUS_CONTAINERS_MAX; i++)
        if (w->logs[i] >= 0)
            close(w->logs[i]);
    free(w->dir);
    free(w->netns);
    json_free(w->pod);
    free(w);
    *worker = NULL;
}

const char *pod_worker_uid(const struct pod_worker *w)
{
    return w->uid;
}

bool pod_worker_waiting(const struct pod_worker *w)
{
    return w->fsm.state == WORKER_WAITING;
}

static void free_later(void *user)
{
    struct pod_worker *w = user;

    pod_worker_free(&w);
}

static void enter_gone(struct pod_worker *w)
{
    object_store_remove(w->env->store, OBJECT_POD, w->namespace_name, w->name);
    LOG(LOG_INFO, "pod_removed", KV("pod", w->name), KV("uid", w->uid));
    w->env->gone(w, w->env->user);
    w->env->room(w->env->user);
    loop_defer(w->env->loop, free_later, w);
}

static void enter_ended(struct pod_worker *w)
{
    if (w->deleting)
        go(w, WORKER_GONE);
}

/* -- failing and stopping -- */

/* From a state in which nothing is under way but the container itself. */
static void tear_down(struct pod_worker *w)
{
    w->quitting = true;
    timer_free(world_of(w), &w->grace);
    timer_free(world_of(w), &w->deadline);
    exit_watch_stop(&w->watch);
    go(w, WORKER_DELETING);
}

/* The pod cannot start: as Kubernetes words a failed start, which with restartPolicy Never is the
 * end. */
static void fail(struct pod_worker *w, const char *message)
{
    struct pod_status_container *c = current(w);

    LOG(LOG_WARN, "pod_start_failed", KV("pod", w->name), KV("error", message));
    c->run = POD_RUN_ENDED;
    c->reason = "StartError";
    c->exit_code = 128;
    c->started_wall_ms = c->ended_wall_ms = wall_ms(w);
    snprintf(c->message, sizeof c->message, "%.299s", message);
    snprintf(w->message, sizeof w->message, "%.399s", message);
    w->status.phase = "Failed";
    w->status.reason = w->status.reason ? w->status.reason : "StartError";
    w->status.message = w->message;
    w->status.ready = false;
    publish(w);
    w->env->room(w->env->user);
    tear_down(w);
}

/* An asynchronous step came back: false when the pod is to go meanwhile, and is on its way. */
static bool may_go_on(struct pod_worker *w)
{
    if (!w->quitting)
        return true;
    if (strcmp(w->status.phase, "Pending") == 0) {
        w->status.phase = "Failed";
        publish(w);
    }
    tear_down(w);
    return false;
}

static void on_grace_over(void *user)
{
    struct pod_worker *w = user;

    w->killed = true;
    if (w->watch)
        exit_watch_signal(w->watch, SIGKILL);
}

static void signal_stop(struct pod_worker *w, int64_t grace_ms)
{
    if (!w->grace)
        w->grace = timer_new(world_of(w), on_grace_over, w);
    if (w->fsm.state == WORKER_RUNNING) {
        go(w, WORKER_STOPPING);
        if (w->watch && grace_ms > 0)
            exit_watch_signal(w->watch, SIGTERM);
    }
    if (grace_ms > 0)
        timer_start(world_of(w), w->grace, grace_ms, 0);
    else
        on_grace_over(w);
}

/* Stops it as far as it has come; asynchronous steps look at `quitting` when they are back. */
static void quit(struct pod_worker *w, int64_t grace_ms)
{
    w->quitting = true;
    switch ((enum worker_state)w->fsm.state) {
    case WORKER_WAITING:
    case WORKER_ENDED:
        if (w->deleting)
            go(w, WORKER_GONE);
        break;
    case WORKER_RUNNING:
    case WORKER_STOPPING:
        signal_stop(w, grace_ms);
        break;
    default:
        break;
    }
}

void pod_worker_stop(struct pod_worker *w, int64_t grace_ms)
{
    w->deleting = true;
    quit(w, grace_ms);
}

static int64_t own_grace_ms(const struct pod_worker *w)
{
    return json_int(json_at(w->pod, "spec", "terminationGracePeriodSeconds", NULL), 30) * 1000;
}

static void on_deadline(void *user)
{
    struct pod_worker *w = user;

    LOG(LOG_INFO, "pod_deadline", KV("pod", w->name));
    w->status.reason = "DeadlineExceeded";
    w->status.message = "Pod was active on the node longer than the specified deadline";
    quit(w, own_grace_ms(w));
}

void pod_worker_deadline_changed(struct pod_worker *w)
{
    const struct json_t *pod =
        object_store_get(w->env->store, OBJECT_POD, w->namespace_name, w->name);
    const struct json_t *seconds = json_at(pod, "spec", "activeDeadlineSeconds", NULL);
    int64_t left = 0;

    if (!seconds || !w->status.started_wall_ms || w->quitting)
        return;
    if (!w->deadline)
        w->deadline = timer_new(world_of(w), on_deadline, w);
    left = w->status.started_wall_ms + json_int(seconds, 0) * 1000 - wall_ms(w);
    timer_start(world_of(w), w->deadline, left > 1 ? left : 1, 0);
}

/* -- files and network namespace -- */

static void prepare_in_thread(uv_work_t *work)
{
    struct pod_worker *w = container_of(work, struct pod_worker, work);

    w->work_ok =
        pod_files_prepare(w->dir, w->pod, w->env->config->pod_log_bytes, &w->work_err) == 0 &&
        netns_make(w->netns, &w->work_err) == 0;
}

static void on_prepared(uv_work_t *work, int status)
{
    struct pod_worker *w = container_of(work, struct pod_worker, work);

    if (status == 0 && !w->work_ok && !w->quitting)
        fail(w, w->work_err.msg);
    else if (may_go_on(w))
        go(w, WORKER_NETWORKING);
}

static void enter_preparing(struct pod_worker *w)
{
    w->status.scheduled = true;
    w->status.unschedulable = NULL;
    w->status.started_wall_ms = wall_ms(w);
    publish(w);
    pod_worker_deadline_changed(w);
    INVARIANT(uv_queue_work(loop_uv(w->env->loop), &w->work, prepare_in_thread, on_prepared) == 0);
}

/* -- network -- */

static void write_ip(const struct pod_worker *w)
{
    char hostname[64];
    struct err err = {.code = ERR_NONE};

    oci_spec_hostname(w->pod, hostname);
    if (pod_files_write_hosts(w->dir, hostname, w->pod_ip, &err) < 0)
        LOG(LOG_WARN, "hosts_not_written", KV("pod", w->name), KV("error", (const char *)err.msg));
}

static void on_plugged(const char *ip, const struct err *err, void *user)
{
    struct pod_worker *w = user;

    if (err && !w->quitting) {
        fail(w, err->msg);
        return;
    }
    if (!may_go_on(w))
        return;
    snprintf(w->pod_ip, sizeof w->pod_ip, "%s", ip);
    write_ip(w);
    go(w, WORKER_STARTING);
}

static void enter_networking(struct pod_worker *w)
{
    struct err err = {.code = ERR_NONE};

    w->plugged = true;
    if (cni_add(&w->env->cni, w->uid, w->netns, on_plugged, w, &err) < 0)
        fail(w, err.msg);
}

/* -- containers -- */

static void on_exit_seen(const struct exit_watch_result *r, void *user);

static void run_adopted_or_started(struct pod_worker *w, pid_t pid)
{
    struct err err = {.code = ERR_NONE};

    if (exit_watch_start(w->env->loop, pid, on_exit_seen, w, &w->watch, &err) < 0) {
        fail(w, err.msg);
        return;
    }
    current(w)->run = POD_RUN_RUNNING;
    if (!current(w)->started_wall_ms)
        current(w)->started_wall_ms = wall_ms(w);
    if (is_main(w)) {
        w->status.phase = "Running";
        w->status.initialized = w->status.ready = true;
    }
    go(w, WORKER_RUNNING);
    publish(w);
}

static void on_started(pid_t pid, const struct err *err, void *user)
{
    struct pod_worker *w = user;

    if (err && !w->quitting)
        fail(w, err->msg);
    else if (may_go_on(w))
        run_adopted_or_started(w, pid);
}

/* Init containers of the agent's image have nothing to do here: their volume is the node's own
 * directory (pod_bundle.c). */
static void skip_agent(struct pod_worker *w)
{
    const struct pod_check_node node = {.agent_image = w->env->config->agent_image,
                                        .agent_dir = w->env->config->agent_dir};

    while (!is_main(w) && pod_check_is_agent(&node, container_at(w, w->index))) {
        struct pod_status_container *c = current(w);

        *c = (struct pod_status_container){.run = POD_RUN_ENDED, .reason = "Completed"};
        c->started_wall_ms = c->ended_wall_ms = wall_ms(w);
        w->index++;
    }
}

static int start_container(struct pod_worker *w, struct err *err)
{
    char bundle[PATH_MAX], id[256], cgroup[512];
    const struct json_t *container = container_at(w, w->index);
    int rc = 0;

    container_id(w, id);
    own_cgroup(w, cgroup);
    rc = pod_bundle_write(&(struct pod_bundle){.dir = w->dir,
                                               .config = w->env->config,
                                               .pod = w->pod,
                                               .container = container,
                                               .cgroups_path = cgroup},
                          bundle, err);
    if (rc < 0)
        return rc;
    w->logs[w->index] = pod_files_open_log(w->dir, json_get_text(container, "name", ""));
    if (w->logs[w->index] < 0)
        return err_set(err, ERR_SYSTEM, "the container's log cannot be opened");
    w->in_runtime = true;
    return oci_runtime_start(&w->env->runtime,
                             &(struct oci_runtime_start){.namespace_name = w->namespace_name,
                                                         .id = id,
                                                         .bundle = bundle,
                                                         .log_fd = w->logs[w->index]},
                             on_started, w, err);
}

static void enter_starting(struct pod_worker *w)
{
    struct err err = {.code = ERR_NONE};

    skip_agent(w);
    if (is_main(w))
        w->status.initialized = true;
    if (start_container(w, &err) < 0)
        fail(w, err.msg);
}

static void note_exit(struct pod_worker *w, const struct exit_watch_result *r)
{
    struct pod_status_container *c = current(w);
    char cgroup[512];

    own_cgroup(w, cgroup);
    c->run = POD_RUN_ENDED;
    c->ended_wall_ms = wall_ms(w);
    c->signal = r->known ? r->signal : 0;
    c->exit_code = !r->known ? 137 : r->signal ? 128 + r->signal : r->exit_status;
    if (!r->known)
        c->reason =
            "ContainerStatusUnknown"; /* kubelet's word, and its code, for an end that nobody saw */
    else if (r->signal == SIGKILL && !w->killed && cgroup_oom_kills(CGROUP_MOUNT, cgroup) > 0)
        c->reason = "OOMKilled";
    else
        c->reason = c->exit_code == 0 ? "Completed" : "Error";
    LOG(LOG_INFO, "container_exited", KV("pod", w->name), KV("container", w->index),
        KV("exit_code", c->exit_code), KV("reason", c->reason));
}

static void on_exit_seen(const struct exit_watch_result *r, void *user)
{
    struct pod_worker *w = user;
    bool good = false;

    note_exit(w, r);
    exit_watch_stop(&w->watch);
    good = current(w)->exit_code == 0;
    if (!is_main(w) && good && !w->quitting) {
        go(w, WORKER_SWEEPING);
        publish(w);
        return;
    }
    w->status.ready = false;
    w->status.phase = good && is_main(w) && !w->status.reason ? "Succeeded" : "Failed";
    publish(w);
    w->env->room(w->env->user);
    tear_down(w);
}

/* -- taking down -- */

static void on_deleted(const struct err *err, void *user);

static void delete_container(void *user)
{
    struct pod_worker *w = user;
    char id[256];
    struct err err = {.code = ERR_NONE};

    container_id(w, id);
    if (oci_runtime_delete(&w->env->runtime, w->namespace_name, id, on_deleted, w, &err) < 0)
        on_deleted(&err, w);
}

static void deleted(struct pod_worker *w)
{
    w->in_runtime = false;
    if (w->fsm.state == WORKER_DELETING) {
        go(w, WORKER_UNPLUGGING);
    } else if (may_go_on(w)) {
        w->index++;
        go(w, WORKER_STARTING);
    }
}

static void on_deleted(const struct err *err, void *user)
{
    struct pod_worker *w = user;
    char cgroup[512];

    own_cgroup(w, cgroup);
    if (err && ++w->delete_tries < DELETE_TRIES) {
        cgroup_kill(CGROUP_MOUNT, cgroup);
        if (!w->retry)
            w->retry = timer_new(world_of(w), delete_container, w);
        timer_start(world_of(w), w->retry, DELETE_WAIT_MS, 0);
        return;
    }
    if (err)
        LOG(LOG_ERROR, "container_not_deleted", KV("pod", w->name),
            KV("error", (const char *)err->msg));
    cgroup_remove(CGROUP_MOUNT, cgroup);
    deleted(w);
}

static void enter_deleting(struct pod_worker *w)
{
    w->delete_tries = 0;
    if (w->in_runtime)
        delete_container(w);
    else
        deleted(w);
}

static void on_unplugged(const struct err *err, void *user)
{
    struct pod_worker *w = user;

    if (err)
        LOG(LOG_ERROR, "network_not_removed", KV("pod", w->name),
            KV("error", (const char *)err->msg));
    go(w, WORKER_CLEARING);
}

static void enter_unplugging(struct pod_worker *w)
{
    struct err err = {.code = ERR_NONE};
    const char *netns = access(w->netns, F_OK) == 0 ? w->netns : "";

    if (!w->plugged)
        go(w, WORKER_CLEARING);
    else if (cni_remove(&w->env->cni, w->uid, netns, on_unplugged, w, &err) < 0)
        on_unplugged(&err, w);
}

static void clear_in_thread(uv_work_t *work)
{
    struct pod_worker *w = container_of(work, struct pod_worker, work);

    w->work_ok = pod_files_remove(w->dir);
}

static void on_cleared(uv_work_t *work, int status)
{
    struct pod_worker *w = container_of(work, struct pod_worker, work);

    if (status != 0 || !w->work_ok)
        LOG(LOG_ERROR, "pod_directory_not_removed", KV("pod", w->name),
            KV("dir", (const char *)w->dir));
    go(w, w->deleting ? WORKER_GONE : WORKER_ENDED);
}

static void enter_clearing(struct pod_worker *w)
{
    INVARIANT(uv_queue_work(loop_uv(w->env->loop), &w->work, clear_in_thread, on_cleared) == 0);
}

static void enter_sweeping(struct pod_worker *w)
{
    w->delete_tries = 0;
    delete_container(w);
}

static void go(struct pod_worker *w, enum worker_state to)
{
    static void (*const enter[WORKER_STATE_COUNT])(struct pod_worker *) = {
        [WORKER_PREPARING] = enter_preparing, [WORKER_NETWORKING] = enter_networking,
        [WORKER_STARTING] = enter_starting,   [WORKER_SWEEPING] = enter_sweeping,
        [WORKER_DELETING] = enter_deleting,   [WORKER_UNPLUGGING] = enter_unplugging,
        [WORKER_CLEARING] = enter_clearing,   [WORKER_ENDED] = enter_ended,
        [WORKER_GONE] = enter_gone,
    };

    LOG(LOG_DEBUG, "pod_state", KV("pod", w->name), KV("from", fsm_state_name(&w->fsm)),
        KV("to", states[to].name));
    fsm_move(&w->fsm, to);
    if (enter[to])
        enter[to](w);
}

/* -- from outside -- */

void pod_worker_start(struct pod_worker *w)
{
    go(w, WORKER_PREPARING);
}

void pod_worker_unschedulable(struct pod_worker *w, const char *message)
{
    if (w->status.unschedulable && strcmp(w->unschedulable, message) == 0)
        return;
    snprintf(w->unschedulable, sizeof w->unschedulable, "%s", message);
    w->status.unschedulable = w->unschedulable;
    publish(w);
}

bool pod_worker_log(const struct pod_worker *w, const char *container, int *fd, bool *started)
{
    for (unsigned i = 0; i <= w->status.init_count; i++) {
        if (strcmp(json_get_text(container_at(w, i), "name", ""), container) != 0)
            continue;
        *fd = w->logs[i];
        *started = w->status.containers[i].run != POD_RUN_WAITING;
        return true;
    }
    return false;
}

/* -- pods of an earlier run -- */

pid_t pod_worker_find_process(const struct node_config *config, const struct json_t *pod)
{
    const char *uid = json_get_text(json_get(pod, "metadata"), "uid", "");
    const char *container =
        json_get_text(json_item(json_at(pod, "spec", "containers", NULL), 0), "name", "");
    char bundle[PATH_MAX], cgroup[512];
    pid_t pid = 0;

    snprintf(bundle, sizeof bundle, "%s/run/%s/bundle/%s", config->data_dir, uid, container);
    cgroup_path(config, uid, 0, true, cgroup);
    pid = oci_runtime_read_pid(bundle);
    /* Started, but never said to be so: nobody has used it, it starts anew. */
    if (!*json_get_text(json_get(pod, "status"), "podIP", ""))
        return 0;
    /* The number alone proves nothing: it must be in the pod's own cgroup. */
    return pid && cgroup_holds(pid, cgroup) ? pid : 0;
}

/* Fills in what the object on disk tells of the time before. */
static void remember(struct pod_worker *w)
{
    const struct json_t *status = json_get(w->pod, "status");
    int64_t since = 0;

    if (!kube_time_parse(json_get_text(status, "startTime", ""), &since))
        since = wall_ms(w);
    w->status.scheduled = true;
    w->status.started_wall_ms = since;
    w->index = w->status.init_count;
    snprintf(w->pod_ip, sizeof w->pod_ip, "%s", json_get_text(status, "podIP", ""));
    for (unsigned i = 0; i < w->status.init_count; i++)
        w->status.containers[i] = (struct pod_status_container){.run = POD_RUN_ENDED,
                                                                .reason = "Completed",
                                                                .started_wall_ms = since,
                                                                .ended_wall_ms = since};
    current(w)->started_wall_ms = since;
    w->status.initialized = true;
    w->plugged = w->in_runtime = true;
}

void pod_worker_adopt(struct pod_worker *w, pid_t pid)
{
    char path[64];

    remember(w);
    /* The log's file system belongs to the mount namespace of the node that died; the container
     * still has it open. */
    snprintf(path, sizeof path, "/proc/%d/fd/1", (int)pid);
    w->logs[w->index] = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    run_adopted_or_started(w, pid);
    pod_worker_deadline_changed(w);
}

void pod_worker_lost(struct pod_worker *w)
{
    remember(w);
    go(w, WORKER_RUNNING);
    on_exit_seen(&(struct exit_watch_result){.known = false}, w);
}

void pod_worker_ended(struct pod_worker *w)
{
    go(w, WORKER_ENDED);
}
