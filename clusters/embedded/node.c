#include "clusters/embedded/node.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "clusters/embedded/container_run.h"
#include "clusters/embedded/node_config.h"
#include "clusters/embedded/node_events.h"
#include "clusters/embedded/node_object.h"
#include "clusters/embedded/object_store.h"
#include "clusters/embedded/orphan_sweep.h"
#include "clusters/embedded/pod_status.h"
#include "clusters/embedded/pod_worker.h"
#include "clusters/embedded/scheduler.h"
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define HEARTBEAT_MS 60000

struct worker_entry {
    struct pod_worker *worker;
    UT_hash_handle hh;
    char uid[];
};

struct node {
    struct loop *loop;
    const struct node_config *config;
    struct object_store *store;
    struct pod_worker_env env;
    struct worker_entry *workers;
    struct node_events *events;
    struct orphan_sweep *sweep;
    struct timer *heartbeat;
    bool round_planned;
    bool shutting_down;
    loop_f *all_removed;
    void *all_removed_user;
};

static const char *meta_text(const struct json_t *object, const char *key)
{
    return json_get_text(json_get(object, "metadata"), key, "");
}

static struct pod_worker *find_worker(const struct node *n, const struct json_t *pod)
{
    struct worker_entry *e = NULL;

    HASH_FIND_STR(n->workers, meta_text(pod, "uid"), e);
    return e ? e->worker : NULL;
}

static struct pod_worker *add_worker(struct node *n, const struct json_t *pod)
{
    const char *uid = meta_text(pod, "uid");
    struct worker_entry *e = mem_alloc(sizeof *e + strlen(uid) + 1);

    memcpy(e->uid, uid, strlen(uid) + 1);
    e->worker = pod_worker_new(&n->env, pod);
    HASH_ADD_STR(n->workers, uid, e);
    return e->worker;
}

/* -- the scheduler's round -- */

static struct scheduler_amounts used_room(const struct node *n)
{
    struct scheduler_amounts sum = {0};
    struct json_t **pods = NULL;
    size_t count = object_store_list(n->store, OBJECT_POD, NULL, &pods);

    for (size_t i = 0; i < count; i++) {
        struct scheduler_amounts a = scheduler_requests(pods[i]);

        if (!scheduler_counts(pods[i]))
            continue;
        sum.millicpu += a.millicpu;
        sum.memory_bytes += a.memory_bytes;
        sum.pods += a.pods;
    }
    free(pods);
    return sum;
}

static void place(struct node *n, struct pod_worker *w, const struct json_t *pod,
                  struct scheduler_amounts *used)
{
    const struct json_t *labels = json_at(
        object_store_get(n->store, OBJECT_NODE, "", n->config->name), "metadata", "labels", NULL);
    struct scheduler_amounts capacity = {.millicpu = n->config->capacity_millicpu,
                                         .memory_bytes = n->config->capacity_memory,
                                         .pods = n->config->capacity_pods};
    struct scheduler_amounts asks = scheduler_requests(pod);
    char message[300];

    if (!scheduler_fits(pod, &capacity, used, labels, message, sizeof message)) {
        pod_worker_unschedulable(w, message);
        return;
    }
    used->millicpu += asks.millicpu;
    used->memory_bytes += asks.memory_bytes;
    used->pods++;
    pod_worker_start(w);
}

static int by_age(const void *a, const void *b)
{
    const struct json_t *x = *(struct json_t *const *)a;
    const struct json_t *y = *(struct json_t *const *)b;
    int order = strcmp(meta_text(x, "creationTimestamp"), meta_text(y, "creationTimestamp"));

    return order ? order : strcmp(meta_text(x, "resourceVersion"), meta_text(y, "resourceVersion"));
}

static void run_round(void *user)
{
    struct node *n = user;
    struct scheduler_amounts used = used_room(n);
    struct json_t **pods = NULL;
    size_t count = object_store_list(n->store, OBJECT_POD, NULL, &pods);

    n->round_planned = false;
    for (size_t i = 0; i < count; i++)
        json_ref(pods[i]); /* placing one replaces its object */
    qsort(pods, count, sizeof(struct json_t *), by_age);
    for (size_t i = 0; i < count; i++) {
        struct pod_worker *w = find_worker(n, pods[i]);

        if (w && pod_worker_waiting(w) && !n->shutting_down)
            place(n, w, pods[i], &used);
    }
    for (size_t i = 0; i < count; i++)
        json_free(pods[i]);
    free(pods);
}

static void plan_round(void *user)
{
    struct node *n = user;

    if (n->round_planned)
        return;
    n->round_planned = true;
    loop_defer(n->loop, run_round, n);
}

/* -- workers that go -- */

static void report_all_removed(void *user)
{
    struct node *n = user;
    loop_f *fn = n->all_removed;

    n->all_removed = NULL;
    if (fn)
        fn(n->all_removed_user);
}

static void on_worker_gone(struct pod_worker *w, void *user)
{
    struct node *n = user;
    struct worker_entry *e = NULL;

    HASH_FIND_STR(n->workers, pod_worker_uid(w), e);
    INVARIANT(e);
    HASH_DEL(n->workers, e);
    free(e);
    if (n->all_removed && !n->workers)
        loop_defer(n->loop, report_all_removed, n);
}

/* -- life of the node -- */

static void on_heartbeat(void *user)
{
    struct node *n = user;
    struct json_t *node = json_copy(object_store_get(n->store, OBJECT_NODE, "", n->config->name));
    struct err err = {.code = ERR_NONE};

    node_object_heartbeat(node, world_wall_ms(loop_world(n->loop)));
    if (object_store_put(n->store, OBJECT_NODE, node, &err) < 0)
        LOG(LOG_ERROR, "node_not_stored", KV("error", (const char *)err.msg));
}

struct node *node_new(struct loop *l, const struct node_config *config, struct object_store *store)
{
    struct node *n = mem_alloc(sizeof *n);

    n->loop = l;
    n->config = config;
    n->store = store;
    n->env = (struct pod_worker_env){
        .loop = l,
        .config = config,
        .store = store,
        .runtime = {.loop = l,
                    .crun = config->crun,
                    .runtimes = &config->runtimes,
                    .data_dir = config->data_dir},
        .cni = {.loop = l,
                .bin_dir = config->cni_bin_dir,
                .data_dir = config->data_dir,
                .pod_cidr = config->cni_pod_cidr},
        .host_ip = "127.0.0.1",
        .room = plan_round,
        .gone = on_worker_gone,
        .user = n,
    };
    n->events = node_events_new(l, config, store);
    n->sweep = orphan_sweep_new(l);
    n->heartbeat = timer_new(loop_world(l), on_heartbeat, n);
    return n;
}

void node_free(struct node **node)
{
    struct node *n = *node;
    struct worker_entry *e, *next;

    if (!n)
        return;
    HASH_ITER (hh, n->workers, e, next) {
        HASH_DEL(n->workers, e);
        pod_worker_free(&e->worker);
        free(e);
    }
    node_events_free(&n->events);
    orphan_sweep_free(&n->sweep);
    timer_free(loop_world(n->loop), &n->heartbeat);
    free(n);
    *node = NULL;
}

bool node_busy(const struct node *n)
{
    struct worker_entry *e, *next;

    HASH_ITER (hh, n->workers, e, next) {
        if (pod_worker_busy(e->worker))
            return true;
    }
    return false;
}

struct loop *node_loop(const struct node *n)
{
    return n->loop;
}

const struct node_config *node_config_of(const struct node *n)
{
    return n->config;
}

struct object_store *node_store(const struct node *n)
{
    return n->store;
}

static int make_namespace(struct node *n, const char *name, struct err *err)
{
    if (object_store_get(n->store, OBJECT_NAMESPACE, "", name))
        return 0;
    return object_store_put(n->store, OBJECT_NAMESPACE, node_object_namespace(name), err);
}

int node_make_objects(struct node *n, struct err *err)
{
    int64_t now = world_wall_ms(loop_world(n->loop));
    int rc = object_store_put(n->store, OBJECT_NODE, node_object_build(n->config, now), err);

    if (rc == 0)
        rc = make_namespace(n, "default", err);
    if (rc == 0)
        rc = make_namespace(n, n->config->sandbox_namespace, err);
    for (size_t i = 0; i < n->config->runtimes.count && rc == 0; i++)
        rc = object_store_put(n->store, OBJECT_RUNTIME_CLASS,
                              node_object_runtime_class(n->config, n->config->runtimes.keys[i]),
                              err);
    node_events_of_node(n->events, "Starting", "Starting spillway-node.");
    timer_start(loop_world(n->loop), n->heartbeat, HEARTBEAT_MS, HEARTBEAT_MS);
    return rc;
}

void node_changed(struct node *n)
{
    node_events_wake(n->events);
}

/* -- pods -- */

int node_create_pod(struct node *n, struct json_t *pod, struct err *err)
{
    char *ns = mem_text(meta_text(pod, "namespace")), *name = mem_text(meta_text(pod, "name"));
    const struct pod_status fresh = {.phase = "Pending", .pod_ip = "", .host_ip = ""};
    int rc = 0;

    pod_status_write(pod, &fresh, world_wall_ms(loop_world(n->loop)));
    rc = object_store_put(n->store, OBJECT_POD, pod, err);
    if (rc == 0) {
        (void)add_worker(n, object_store_get(n->store, OBJECT_POD, ns, name));
        plan_round(n);
    }
    free(ns);
    free(name);
    return rc;
}

int node_delete_pod(struct node *n, const struct json_t *pod, int64_t grace_s, struct err *err)
{
    struct pod_worker *w = find_worker(n, pod);
    struct json_t *copy = json_copy(pod);
    struct json_t *meta = json_get(copy, "metadata");
    char until[32];
    int rc = 0;

    pod_status_time(world_wall_ms(loop_world(n->loop)) + grace_s * 1000, until);
    json_set_text(meta, "deletionTimestamp", until);
    json_set_int(meta, "deletionGracePeriodSeconds", grace_s);
    rc = object_store_put(n->store, OBJECT_POD, copy, err);
    if (rc == 0 && w)
        pod_worker_stop(w, grace_s * 1000);
    return rc;
}

int node_update_pod(struct node *n, struct json_t *pod, struct err *err)
{
    struct pod_worker *w = find_worker(n, pod);
    int rc = object_store_put(n->store, OBJECT_POD, pod, err);

    if (rc == 0 && w)
        pod_worker_deadline_changed(w);
    return rc;
}

bool node_pod_log(const struct node *n, const struct json_t *pod, const char *container, int *fd,
                  bool *started)
{
    struct pod_worker *w = find_worker(n, pod);

    return w && pod_worker_log(w, container, fd, started);
}

static bool is_over(const struct json_t *pod)
{
    const char *phase = pod_status_phase(pod);

    return strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0;
}

static void resume_pod(struct node *n, const struct json_t *pod)
{
    struct pod_worker *w = add_worker(n, pod);
    pid_t pid = container_run_find_process(n->config, pod);

    if (is_over(pod)) {
        pod_worker_ended(w);
    } else if (pid) {
        LOG(LOG_INFO, "pod_adopted", KV("pod", meta_text(pod, "name")), KV("pid", (int64_t)pid));
        pod_worker_adopt(w, pid);
    } else if (strcmp(pod_status_phase(pod), "Running") == 0) {
        pod_worker_lost(w);
    }
    if (*meta_text(pod, "deletionTimestamp"))
        pod_worker_stop(
            w, json_int(json_at(pod, "metadata", "deletionGracePeriodSeconds", NULL), 0) * 1000);
}

void node_resume_pods(struct node *n)
{
    struct json_t **pods = NULL;
    size_t count = object_store_list(n->store, OBJECT_POD, NULL, &pods);

    for (size_t i = 0; i < count; i++)
        json_ref(pods[i]);
    for (size_t i = 0; i < count; i++) {
        resume_pod(n, pods[i]);
        json_free(pods[i]);
    }
    free(pods);
    plan_round(n);
}

void node_remove_all_pods(struct node *n, loop_f *done, void *user)
{
    struct json_t **pods = NULL;
    size_t count = object_store_list(n->store, OBJECT_POD, NULL, &pods);
    struct err err = {.code = ERR_NONE};

    n->shutting_down = true;
    n->all_removed = done;
    n->all_removed_user = user;
    for (size_t i = 0; i < count; i++)
        json_ref(pods[i]);
    for (size_t i = 0; i < count; i++) {
        if (node_delete_pod(n, pods[i], 1, &err) < 0)
            LOG(LOG_ERROR, "pod_not_deleted", KV("error", (const char *)err.msg));
        json_free(pods[i]);
    }
    free(pods);
    if (!n->workers)
        loop_defer(n->loop, report_all_removed, n);
}
