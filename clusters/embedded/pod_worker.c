#include "clusters/embedded/pod_worker.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "clusters/embedded/container_run.h"
#include "clusters/embedded/node_config.h"
#include "clusters/embedded/object_store.h"
#include "clusters/embedded/pod_check.h"
#include "clusters/embedded/pod_status.h"
#include "clusters/embedded/pod_surroundings.h"
#include "clusters/kube_object.h"
#include "clusters/pod_worker_states.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pod_worker {
    struct fsm fsm;
    const struct pod_worker_env *env;
    struct json_t *pod; /* as it was created: its spec does not change, but for the deadline */
    const char *namespace_name, *name, *uid;
    char *dir;
    struct pod_status status;
    char pod_ip[64];
    char unschedulable[400], message[400];
    unsigned index; /* the container that is, or is to be, at work */
    struct pod_surroundings *surroundings;
    struct container_run *runs[POD_STATUS_CONTAINERS_MAX];
    struct timer *grace, *deadline;
    bool deleting; /* the object is to go when all else has gone */
    bool quitting; /* no further container starts */
};

static void go(struct pod_worker *w, enum worker_state to);
static void on_furnished(const char *ip, const struct err *err, void *user);
static void on_cleared(void *user);

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

    fsm_init(&w->fsm, &POD_WORKER_FSM, WORKER_WAITING);
    w->env = env;
    w->pod = json_copy(pod);
    meta = json_get(w->pod, "metadata");
    w->namespace_name = json_get_text(meta, "namespace", "");
    w->name = json_get_text(meta, "name", "");
    w->uid = json_get_text(meta, "uid", "");
    w->dir = mem_format("%s/run/%s", env->config->data_dir, w->uid);
    w->surroundings = pod_surroundings_new(
        &(struct pod_surroundings_args){.loop = env->loop,
                                        .cni = &env->cni,
                                        .pod = w->pod,
                                        .dir = w->dir,
                                        .log_bytes = env->config->pod_log_bytes,
                                        .made = on_furnished,
                                        .unmade = on_cleared,
                                        .user = w});
    w->status =
        (struct pod_status){.phase = "Pending", .pod_ip = w->pod_ip, .host_ip = env->host_ip};
    w->status.init_count = (unsigned)json_count(json_at(w->pod, "spec", "initContainers", NULL));
    for (unsigned i = 0; i < POD_STATUS_CONTAINERS_MAX; i++) {
        w->status.containers[i].reason =
            w->status.init_count ? "PodInitializing" : "ContainerCreating";
    }
    return w;
}

void pod_worker_free(struct pod_worker **worker)
{
    struct pod_worker *w = *worker;

    if (!w)
        return;
    for (unsigned i = 0; i < POD_STATUS_CONTAINERS_MAX; i++)
        container_run_free(&w->runs[i]);
    timer_free(world_of(w), &w->grace);
    timer_free(world_of(w), &w->deadline);
    free(w->dir);
    pod_surroundings_free(&w->surroundings);
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

bool pod_worker_busy(const struct pod_worker *w)
{
    const uint32_t calls_back = FSM_TO(WORKER_FURNISHING) | FSM_TO(WORKER_STARTING) |
                                FSM_TO(WORKER_SWEEPING) | FSM_TO(WORKER_DELETING) |
                                FSM_TO(WORKER_CLEARING);

    return (calls_back & FSM_TO(w->fsm.state)) != 0;
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
    if (w->runs[w->index])
        container_run_unwatch(w->runs[w->index]);
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

    container_run_signal(w->runs[w->index], SIGKILL);
}

static void signal_stop(struct pod_worker *w, int64_t grace_ms)
{
    if (!w->grace)
        w->grace = timer_new(world_of(w), on_grace_over, w);
    if (w->fsm.state == WORKER_RUNNING) {
        go(w, WORKER_STOPPING);
        if (grace_ms > 0)
            container_run_signal(w->runs[w->index], SIGTERM);
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

/* -- surroundings -- */

static void enter_furnishing(struct pod_worker *w)
{
    w->status.scheduled = true;
    w->status.unschedulable = NULL;
    w->status.started_wall_ms = wall_ms(w);
    publish(w);
    pod_worker_deadline_changed(w);
    pod_surroundings_make(w->surroundings);
}

static void on_furnished(const char *ip, const struct err *err, void *user)
{
    struct pod_worker *w = user;

    if (err && !w->quitting) {
        fail(w, err->msg);
        return;
    }
    if (!may_go_on(w))
        return;
    snprintf(w->pod_ip, sizeof w->pod_ip, "%s", ip);
    go(w, WORKER_STARTING);
}

/* -- containers -- */

static void on_started(const struct err *err, void *user);
static void on_exited(const struct container_run_exit *e, void *user);
static void on_deleted(void *user);
static const struct container_run_events run_events = {on_started, on_exited, on_deleted};

static struct container_run *new_run(struct pod_worker *w)
{
    w->runs[w->index] = container_run_new(
        &(struct container_run_args){.loop = w->env->loop,
                                     .config = w->env->config,
                                     .runtime = &w->env->runtime,
                                     .pod = w->pod,
                                     .container = container_at(w, w->index),
                                     .dir = w->dir,
                                     .init_index = is_main(w) ? -1 : (int)w->index,
                                     .events = &run_events,
                                     .user = w});
    return w->runs[w->index];
}

static void enter_running(struct pod_worker *w)
{
    struct pod_status_container *c = current(w);

    c->run = POD_RUN_RUNNING;
    if (!c->started_wall_ms)
        c->started_wall_ms = wall_ms(w);
    if (is_main(w)) {
        w->status.phase = "Running";
        w->status.initialized = w->status.ready = true;
    }
    publish(w);
}

static void on_started(const struct err *err, void *user)
{
    struct pod_worker *w = user;

    if (err && !w->quitting)
        fail(w, err->msg);
    else if (may_go_on(w))
        go(w, WORKER_RUNNING);
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

static void enter_starting(struct pod_worker *w)
{
    struct err err = {.code = ERR_NONE};

    skip_agent(w);
    if (is_main(w))
        w->status.initialized = true;
    if (container_run_start(new_run(w), &err) < 0)
        fail(w, err.msg);
}

static void note_exit(struct pod_worker *w, const struct container_run_exit *e)
{
    struct pod_status_container *c = current(w);

    c->run = POD_RUN_ENDED;
    c->ended_wall_ms = wall_ms(w);
    c->signal = e->signal;
    c->exit_code = e->known ? e->exit_code : 137;
    if (!e->known)
        c->reason = "ContainerStatusUnknown"; /* kubelet's word, and its code */
    else
        c->reason = e->oom_killed ? "OOMKilled" : e->exit_code == 0 ? "Completed" : "Error";
    LOG(LOG_INFO, "container_exited", KV("pod", w->name), KV("container", (int64_t)w->index),
        KV("exit_code", (int64_t)c->exit_code), KV("reason", c->reason));
}

static void on_exited(const struct container_run_exit *e, void *user)
{
    struct pod_worker *w = user;
    bool good = false;

    note_exit(w, e);
    good = current(w)->exit_code == 0;
    if (!is_main(w) && good && !w->quitting) {
        publish(w);
        go(w, WORKER_SWEEPING);
        return;
    }
    w->status.ready = false;
    w->status.phase = good && is_main(w) && !w->status.reason ? "Succeeded" : "Failed";
    publish(w);
    w->env->room(w->env->user);
    tear_down(w);
}

static void enter_sweeping(struct pod_worker *w)
{
    container_run_delete(w->runs[w->index]);
}

/* -- taking down -- */

static void on_deleted(void *user)
{
    struct pod_worker *w = user;

    if (w->fsm.state == WORKER_DELETING) {
        go(w, WORKER_CLEARING);
    } else if (may_go_on(w)) {
        w->index++;
        go(w, WORKER_STARTING);
    }
}

static void enter_deleting(struct pod_worker *w)
{
    if (w->runs[w->index] && container_run_in_runtime(w->runs[w->index]))
        container_run_delete(w->runs[w->index]);
    else
        go(w, WORKER_CLEARING);
}

static void enter_clearing(struct pod_worker *w)
{
    pod_surroundings_unmake(w->surroundings);
}

static void on_cleared(void *user)
{
    struct pod_worker *w = user;

    go(w, w->deleting ? WORKER_GONE : WORKER_ENDED);
}

static void go(struct pod_worker *w, enum worker_state to)
{
    static void (*const enter[WORKER_STATE_COUNT])(struct pod_worker *) = {
        [WORKER_FURNISHING] = enter_furnishing, [WORKER_STARTING] = enter_starting,
        [WORKER_RUNNING] = enter_running,       [WORKER_SWEEPING] = enter_sweeping,
        [WORKER_DELETING] = enter_deleting,     [WORKER_CLEARING] = enter_clearing,
        [WORKER_ENDED] = enter_ended,           [WORKER_GONE] = enter_gone,
    };

    LOG(LOG_DEBUG, "pod_state", KV("pod", w->name), KV("from", fsm_state_name(&w->fsm)),
        KV("to", POD_WORKER_FSM.states[to].name));
    fsm_move(&w->fsm, (int)to);
    if (enter[to])
        enter[to](w);
}

/* -- from outside -- */

void pod_worker_start(struct pod_worker *w)
{
    go(w, WORKER_FURNISHING);
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
        *fd = w->runs[i] ? container_run_log_fd(w->runs[i]) : -1;
        *started = w->status.containers[i].run != POD_RUN_WAITING;
        return true;
    }
    return false;
}

/* -- pods of an earlier run -- */

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
    pod_surroundings_adopt(w->surroundings);
}

void pod_worker_adopt(struct pod_worker *w, pid_t pid)
{
    struct err err = {.code = ERR_NONE};

    remember(w);
    if (container_run_adopt(new_run(w), pid, &err) < 0) {
        fail(w, err.msg);
        return;
    }
    go(w, WORKER_RUNNING);
    pod_worker_deadline_changed(w);
}

void pod_worker_lost(struct pod_worker *w)
{
    remember(w);
    container_run_mark_left(new_run(w));
    on_exited(&(struct container_run_exit){.known = false}, w);
}

void pod_worker_ended(struct pod_worker *w)
{
    go(w, WORKER_ENDED);
}
