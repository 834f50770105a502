/* kube_driver.c - the Kubernetes client as a program that tests can talk to: calls, watches and a
 * store by HTTP on a unix socket.
 *
 *   kube_driver unix:SOCKET '{"url"|"kubeconfig", "namespace", "call_ms"}'
 *
 * Prints "ready" or why there is no client. POST /call is answered with what the callback got; POST
 * /watch and /store begin one each; POST /manifest gives a session's pod; GET /events gives all
 * that they told so far; GET /state says how they stand. SIGTERM ends it, and every leak shows. */
#include "base/json.h"
#include "base/mem.h"
#include "clusters/kube_client.h"
#include "clusters/kube_store.h"
#include "clusters/kube_watch.h"
#include "clusters/pod_manifest.h"
#include "http/http_call.h"
#include "http/http_dispatch.h"
#include "http/http_reply.h"
#include "http/problem.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define COMMAND_MAX ((size_t)2 * 1024 * 1024)

struct call {
    struct driver *driver;
    struct http_exchange *exchange;
    struct call *prev, *next;
    struct kube_call *kube;
};

struct driver {
    struct loop *loop;
    struct http_server *server;
    struct http_caller *caller;
    struct kube_client *client;
    struct kube_watch *watch;
    struct kube_store *store;
    struct call *calls;
    struct json_t *events;
    bool
        starting; /* inside a call that starts something: a callback now would break the contract */
    unsigned too_early;
};

static void answer_json(struct http_exchange *x, struct json_t *j)
{
    http_reply_json(x, 200, j);
}

static struct json_t *error_of(const struct err *err)
{
    return err ? json_build("{s:s,s:s}", "code", err_wire_name(err->code), "message", err->msg)
               : json_new_null();
}

/* -- calls -- */

static void on_done(const struct kube_result *r, void *user)
{
    struct call *c = user;
    struct json_t *object = r->object ? json_copy(r->object) : json_new_null();

    c->driver->too_early += c->driver->starting;
    DL_DELETE(c->driver->calls, c);
    answer_json(c->exchange,
                json_build("{s:i,s:o,s:b,s:I,s:o}", "status", r->status, "object", object,
                           "outcome_unknown", r->outcome_unknown, "retry_after_s",
                           (long long)r->retry_after_s, "error", error_of(r->err)));
    free(c);
}

static struct kube_call *start_call(struct kube_client *k, const struct json_t *command,
                                    struct call *c)
{
    const char *verb = json_get_text(command, "verb", "");
    const char *name = json_get_text(command, "name", "");
    const struct json_t *body = json_get(command, "body");

    if (strcmp(verb, "create") == 0)
        return kube_pod_create(k, body, on_done, c);
    if (strcmp(verb, "delete") == 0)
        return kube_pod_delete(k, name, json_get_text(command, "uid", ""), NULL,
                               json_int(json_get(command, "grace"), 0), on_done, c);
    if (strcmp(verb, "patch") == 0)
        return kube_pod_patch(k, name, body, 0, on_done, c);
    return kube_pod_get(k, name, on_done, c);
}

/* {"verb":"create|get|delete|patch", "name", "uid", "grace", "body", "cancel":true} */
static void on_call(struct http_exchange *x, struct slice body, const struct err *err, void *user)
{
    struct driver *d = user;
    struct err bad = {0};
    struct json_t *command = err ? NULL : json_parse_object(body, &bad);

    if (!command) {
        problem_reply(x, err ? err : &bad);
        return;
    }
    struct call *c = mem_alloc(sizeof(*c));
    *c = (struct call){.driver = d, .exchange = x};
    DL_APPEND(d->calls, c);
    d->starting = true;
    c->kube = start_call(d->client, command, c);
    d->starting = false;
    if (json_true(json_get(command, "cancel"))) {
        kube_call_cancel(&c->kube);
        DL_DELETE(d->calls, c);
        free(c);
        answer_json(x, json_new_object());
    }
    json_free(command);
}

static void call(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    (void)m;
    http_exchange_collect(x, COMMAND_MAX, on_call, user);
}

/* -- the watch -- */

static void on_event(enum kube_event what, const struct json_t *object, void *user)
{
    static const char *const NAMES[] = {"ADDED", "MODIFIED", "DELETED"};
    struct driver *d = user;

    d->too_early += d->starting;
    json_add(d->events, json_build("{s:s,s:o}", "type", NAMES[what], "object", json_copy(object)));
}

static void on_synced(void *user)
{
    struct driver *d = user;

    d->too_early += d->starting;
    json_add(d->events,
             json_build("{s:s,s:s}", "type", "SYNCED", "version", kube_watch_version(d->watch)));
}

/* {"path", "selector", "idle_ms"} */
static void on_watch(struct http_exchange *x, struct slice body, const struct err *err, void *user)
{
    static const struct kube_watch_events EVENTS = {on_event, on_synced};
    struct driver *d = user;
    struct err bad = {0};
    struct json_t *command = err ? NULL : json_parse_object(body, &bad);

    if (!command) {
        problem_reply(x, err ? err : &bad);
        return;
    }
    struct kube_watch_conf conf = {.path = json_get_text(command, "path", ""),
                                   .label_selector = json_get_text(command, "selector", NULL),
                                   .idle_ms = json_int(json_get(command, "idle_ms"), 0)};
    d->starting = true;
    d->watch = kube_watch_new(d->client, &conf, &EVENTS, d);
    kube_watch_start(d->watch);
    d->starting = false;
    json_free(command);
    answer_json(x, json_new_object());
}

static void watch(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    (void)m;
    http_exchange_collect(x, COMMAND_MAX, on_watch, user);
}

/* -- the store -- */

static struct json_t *pod_of(const struct kube_pod *p)
{
    if (!p)
        return json_new_null();
    return json_build("{s:s,s:s,s:s,s:s,s:s,s:i,s:b,s:b,s:b,s:b,s:b,s:i,s:s,s:s}", "name", p->name,
                      "uid", p->uid, "version", p->resource_version, "node", p->node_name, "ip",
                      p->pod_ip, "phase", (int)p->phase, "ready", p->ready, "terminating",
                      p->terminating, "unschedulable", p->unschedulable, "image_error",
                      p->image_error, "oom_killed", p->oom_killed, "exit_code", p->exit_code,
                      "reason", p->reason, "session", p->marks.session_id);
}

static void on_pod(const struct kube_pod *before, const struct kube_pod *after, void *user)
{
    struct driver *d = user;

    d->too_early += d->starting;
    json_add(d->events, json_build("{s:s,s:o,s:o}", "type", "POD", "before", pod_of(before),
                                   "after", pod_of(after)));
}

static void store(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct driver *d = user;

    (void)m;
    d->starting = true;
    d->store = kube_store_new(d->loop, d->client);
    kube_store_subscribe(d->store, on_pod, d);
    d->starting = false;
    answer_json(x, json_new_object());
}

static bool add_pod(const struct kube_pod *p, void *user)
{
    json_add(user, pod_of(p));
    return true;
}

static bool add_node(const struct kube_node *n, void *user)
{
    json_add(user, json_build("{s:s,s:b,s:b,s:I,s:I,s:I}", "name", n->name, "ready", n->ready,
                              "tainted", n->tainted, "millicpu", (long long)n->allocatable.millicpu,
                              "memory", (long long)n->allocatable.memory_bytes, "pods",
                              (long long)n->allocatable.pods));
    return true;
}

/* -- the manifest -- */

/* {"session_id", "namespace", "image", "agent_image", "baked", "fast", "runtime_class", "millicpu",
 * "memory", "disk"} */
static void on_manifest(struct http_exchange *x, struct slice body, const struct err *err,
                        void *user)
{
    struct err bad = {0};
    struct json_t *command = err ? NULL : json_parse_object(body, &bad);

    (void)user;
    if (!command) {
        problem_reply(x, err ? err : &bad);
        return;
    }
    struct pod_manifest m = {
        .session_id = json_get_text(command, "session_id", "session"),
        .namespace_name = json_get_text(command, "namespace", "default"),
        .site = "test",
        .tenant = "default",
        .epoch = "00112233445566778899aabbccddeeff",
        .nonce = "ffeeddccbbaa99887766554433221100",
        .token_sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        .fingerprint = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        .deadline_wall_ms = INT64_C(4102444800000),
        .lifetime_max_s = 3600,
        .image = json_get_text(command, "image", "spillway/python"),
        .agent_image = json_true(json_get(command, "baked"))
                           ? NULL
                           : json_get_text(command, "agent_image", "spillway/agent"),
        .fast = json_true(json_get(command, "fast")),
        .runtime_class = json_get_text(command, "runtime_class", NULL),
        .millicpu = json_int(json_get(command, "millicpu"), 100),
        .memory_bytes = json_int(json_get(command, "memory"), 64 << 20),
        .disk_bytes = json_int(json_get(command, "disk"), 16 << 20),
        .pids = 64,
    };
    struct json_t *limits = json_build("{s:i}", "pids", 64);
    m.limits = limits;
    answer_json(x, pod_manifest_build(&m));
    json_free(limits);
    json_free(command);
}

static void manifest(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    (void)m;
    http_exchange_collect(x, COMMAND_MAX, on_manifest, user);
}

/* -- looking -- */

static void events(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct driver *d = user;

    (void)m;
    answer_json(x, json_ref(d->events));
}

static struct json_t *watch_state(const struct kube_watch *w)
{
    if (!w)
        return json_new_null();
    return json_build("{s:s,s:b,s:b,s:s,s:s}", "state", kube_watch_state(w), "synced",
                      kube_watch_synced(w), "connected", kube_watch_connected(w), "error",
                      kube_watch_error(w), "version", kube_watch_version(w));
}

static struct json_t *store_state(const struct kube_store *s)
{
    struct json_t *pods = json_new_array();
    struct json_t *nodes = json_new_array();

    if (!s) {
        json_free(pods);
        json_free(nodes);
        return json_new_null();
    }
    kube_store_each_pod(s, add_pod, pods);
    kube_store_each_node(s, add_node, nodes);
    return json_build("{s:b,s:b,s:s,s:o,s:o}", "synced", kube_store_synced(s), "connected",
                      kube_store_connected(s), "error", kube_store_error(s), "pods", pods, "nodes",
                      nodes);
}

static void state(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct driver *d = user;

    (void)m;
    answer_json(x, json_build("{s:i,s:o,s:o}", "too_early", (int)d->too_early, "watch",
                              watch_state(d->watch), "store", store_state(d->store)));
}

/* -- the program -- */

static const struct http_route ROUTES[] = {
    {HTTP_METHOD_POST, "/call", call, "call", "one verb"},
    {HTTP_METHOD_POST, "/watch", watch, "watch", "begins the watch"},
    {HTTP_METHOD_POST, "/store", store, "store", "begins the store"},
    {HTTP_METHOD_POST, "/manifest", manifest, "manifest", "a session's pod"},
    {HTTP_METHOD_GET, "/events", events, "events", "what watch and store told"},
    {HTTP_METHOD_GET, "/state", state, "state", "how they stand"},
};

static struct http_routes routes = HTTP_ROUTES(ROUTES);

static void on_request(struct http_exchange *x, void *user)
{
    http_dispatch(&routes, x, user);
}

static void on_term(void *user)
{
    loop_stop(((struct driver *)user)->loop);
}

static int begin(struct driver *d, const char *address, const char *conf_text, struct err *err)
{
    struct json_t *conf = json_parse_object(slice_of(conf_text), err);

    if (!conf)
        return -(int)err->code;
    struct kube_client_conf client = {
        .url = json_get_text(conf, "url", NULL),
        .kubeconfig = json_get_text(conf, "kubeconfig", NULL),
        .namespace_name = json_get_text(conf, "namespace", "default"),
        .call_ms = json_int(json_get(conf, "call_ms"), 0),
    };
    d->client = kube_client_new(d->loop, d->caller, &client, err);
    int rc = d->client ? http_server_listen(d->server, address, err) : -(int)err->code;
    json_free(conf);
    return rc;
}

static void drop_calls(struct driver *d)
{
    struct call *c, *next;

    DL_FOREACH_SAFE(d->calls, c, next)
    {
        kube_call_cancel(&c->kube);
        DL_DELETE(d->calls, c);
        answer_json(c->exchange, json_new_object());
        free(c);
    }
}

int main(int argc, char **argv)
{
    struct driver d = {.events = json_new_array()};
    struct http_server_conf conf = HTTP_SERVER_CONF_DEFAULT;
    struct err err = {0};

    if (argc != 3)
        return 2;
    signal(SIGPIPE, SIG_IGN);
    d.loop = loop_new();
    d.server = http_server_new(d.loop, &conf, on_request, &d);
    d.caller = http_caller_new(d.loop);
    loop_on_signal(d.loop, SIGTERM, on_term, &d);
    int rc = begin(&d, argv[1], argv[2], &err);
    printf("%s\n", rc < 0 ? err.msg : "ready");
    fflush(stdout);
    if (rc == 0)
        loop_run(d.loop);
    drop_calls(&d);
    kube_store_free(&d.store);
    kube_watch_free(&d.watch);
    kube_client_free(&d.client);
    http_caller_free(&d.caller);
    http_server_free(&d.server);
    loop_free(&d.loop);
    json_free(d.events);
    return rc < 0;
}
