/* sim_api_server.c - the calls of a simulated API server, and what may go wrong with them. */
#include "base/json.h"
#include "base/mem.h"
#include "clusters/kube_object.h"
#include "http/http_dispatch.h"
#include "http/http_reply.h"
#include "sim_cluster.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#define BODY_MAX          ((size_t)4 * 1024 * 1024)
#define BOOKMARK_LEAST_MS 20000
#define LATE_LEAST_MS     500
#define LATE_MOST_MS      45000
#define BOOKMARK_MOST_MS  50000

struct sim_watcher {
    struct sim_watcher *prev, *next;
    struct sim_cluster *cluster;
    struct http_exchange *x;
    struct sim_event *bookmark;
    bool pods;
};

/* -- answers -- */

static void reply_status(struct http_exchange *x, int code, const char *message)
{
    http_reply_json(x, code,
                    json_build("{s:s,s:s,s:s,s:i}", "kind", "Status", "status", "Failure",
                               "message", message, "code", code));
}

/* A change that was made: says so, or not. */
static void reply_done(struct http_exchange *x, struct sim_cluster *c, int code,
                       const struct json_t *object)
{
    if (sim_chance(c->mood.lose_answer)) {
        sim_trace("%s: an answer gets lost", c->name);
        http_reply_abort(x);
    } else if (sim_chance(c->mood.fail_after)) {
        reply_status(x, sim_chance(500) ? 500 : 504, "the storage is slow");
    } else {
        http_reply_json(x, code, json_copy(object));
    }
}

/* True: it was refused before anything was done. */
static bool is_refused(struct http_exchange *x, struct sim_cluster *c)
{
    if (!sim_chance(c->mood.refuse))
        return false;
    if (sim_chance(500))
        http_reply_header(x, "Retry-After", "1");
    reply_status(x, sim_chance(500) ? 503 : 429, "too many requests");
    return true;
}

/* -- pods -- */

static struct sim_pod *by_path(struct http_exchange *x, const struct http_route_match *m,
                               struct sim_cluster *c)
{
    char name[64];
    snprintf(name, sizeof(name), "%.*s", SLICE_ARG(m->params[1]));
    struct sim_pod *p = sim_cluster_find(c, name);
    if (!p)
        reply_status(x, 404, "pods not found");
    return p;
}

static void get_pod(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct sim_cluster *c = user;
    if (is_refused(x, c))
        return;
    struct sim_pod *p = by_path(x, m, c);
    if (p)
        http_reply_json(x, 200, json_copy(p->object));
}

static void add_pod(struct http_exchange *x, struct sim_cluster *c, struct json_t *object)
{
    if (sim_cluster_find(c, json_get_text(json_get(object, "metadata"), "name", ""))) {
        json_free(object);
        if (x)
            reply_status(x, 409, "pods already exists");
        return;
    }
    struct sim_pod *p = sim_cluster_add(c, object);
    if (x)
        reply_done(x, c, 201, p->object);
}

/* A create that its storage holds back: whoever asked may have given up long before. */
struct late_create {
    struct sim_cluster *cluster;
    struct http_exchange *x; /* NULL: it is gone */
    struct json_t *object;
};

static void on_asker_gone(struct http_exchange *x, void *user)
{
    struct late_create *l = user;
    (void)x;
    l->x = NULL;
}

static void free_late(void *user)
{
    struct late_create *l = user;
    json_free(l->object);
    free(l);
}

static void on_late(void *user)
{
    struct late_create *l = user;
    if (l->x)
        http_exchange_on_gone(l->x, NULL, NULL);
    add_pod(l->x, l->cluster, l->object);
    l->object = NULL;
    free_late(l);
}

static void hold_back(struct http_exchange *x, struct sim_cluster *c, struct json_t *object)
{
    struct late_create *l = mem_alloc(sizeof(*l));
    *l = (struct late_create){c, x, object};
    int64_t for_ms = sim_between(LATE_LEAST_MS, LATE_MOST_MS);
    sim_trace("%s: a create is held back for %lld ms", c->name, (long long)for_ms);
    http_exchange_on_gone(x, on_asker_gone, l);
    sim_world_at(&c->process, sim_now() + for_ms, on_late, free_late, l);
}

static void on_create(struct http_exchange *x, struct slice body, const struct err *err, void *user)
{
    struct sim_cluster *c = user;
    struct json_t *object = err ? NULL : json_parse_object(body, NULL);
    if (!object)
        reply_status(x, 400, "no object");
    else if (sim_chance(c->mood.late_create))
        hold_back(x, c, object);
    else
        add_pod(x, c, object);
}

static void create_pod(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    (void)m;
    if (!is_refused(x, user))
        http_exchange_collect(x, BODY_MAX, on_create, user);
}

/* What the body of a change is for. */
struct change {
    struct sim_cluster *cluster;
    char name[64];
};

static struct change *change_of(struct sim_cluster *c, const struct sim_pod *p)
{
    struct change *d = mem_alloc(sizeof(*d));
    d->cluster = c;
    snprintf(d->name, sizeof(d->name), "%s", p->name);
    return d;
}

static bool has_changed(const struct sim_pod *p, const char *version)
{
    const char *now = json_get_text(json_get(p->object, "metadata"), "resourceVersion", "");
    return version && strcmp(version, now) != 0;
}

static void on_delete(struct http_exchange *x, struct slice body, const struct err *err, void *user)
{
    struct change *d = user;
    struct sim_cluster *c = d->cluster;
    struct sim_pod *p = sim_cluster_find(c, d->name);
    struct json_t *options = err ? NULL : json_parse_object(body, NULL);
    const struct json_t *expected = json_get(options, "preconditions");
    const char *uid = json_get_text(expected, "uid", "");
    if (!p) {
        reply_status(x, 404, "pods not found");
    } else if (strcmp(uid, p->uid) != 0) {
        reply_status(x, 409, "the UID in the precondition does not match");
    } else if (has_changed(p, json_get_text(expected, "resourceVersion", NULL))) {
        reply_status(x, 409, "the resourceVersion in the precondition does not match");
    } else {
        sim_kubelet_stop(p, json_int(json_get(options, "gracePeriodSeconds"), 30) * 1000);
        p = sim_cluster_find(c, d->name);
        struct json_t *gone = json_build("{s:s,s:s}", "kind", "Status", "status", "Success");
        reply_done(x, c, 200, p ? p->object : gone);
        json_free(gone);
    }
    json_free(options);
    free(d);
}

static void delete_pod(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct sim_cluster *c = user;
    if (is_refused(x, c))
        return;
    struct sim_pod *p = by_path(x, m, c);
    if (p)
        http_exchange_collect(x, BODY_MAX, on_delete, change_of(c, p));
}

/* -- lists and watches -- */

static struct json_t *node_object(const struct sim_cluster *c, int i)
{
    char name[64], cpu[16];
    snprintf(name, sizeof(name), "%s-node-%d", c->name, i);
    snprintf(cpu, sizeof(cpu), "%dm", c->slots * 500);
    return json_build("{s:{s:s,s:s,s:s},s:{},s:{s:[{s:s,s:s}],s:{s:s,s:s,s:s}}}", "metadata",
                      "name", name, "uid", name, "resourceVersion", "1", "spec", "status",
                      "conditions", "type", "Ready", "status", "True", "allocatable", "cpu", cpu,
                      "memory", "64Gi", "pods", "110");
}

static struct json_t *items_of(const struct sim_cluster *c, bool pods)
{
    struct json_t *items = json_new_array();
    const struct sim_pod *p;
    for (int i = 0; !pods && i < c->nodes; i++)
        json_add(items, node_object(c, i));
    if (pods) {
        DL_FOREACH(c->pods, p)
        json_add(items, json_copy(p->object));
    }
    return items;
}

static void list(struct http_exchange *x, struct sim_cluster *c, bool pods)
{
    char version[24];
    snprintf(version, sizeof(version), "%" PRId64, c->version);
    if (sim_chance(c->mood.garble)) {
        http_reply(x, 200, "application/json", slice_of("{\"metadata\":{\"resourceVer"));
        return;
    }
    http_reply_json(x, 200,
                    json_build("{s:{s:s},s:o}", "metadata", "resourceVersion", version, "items",
                               items_of(c, pods)));
}

static void end_watch(struct sim_watcher *w)
{
    DL_DELETE(w->cluster->watchers, w);
    sim_world_cancel(&w->bookmark);
    http_exchange_on_gone(w->x, NULL, NULL);
    http_reply_end(w->x);
    free(w);
}

static void on_gone(struct http_exchange *x, void *user)
{
    (void)x;
    end_watch(user);
}

static void on_bookmark(void *user)
{
    struct sim_watcher *w = user;
    char line[160];
    w->bookmark = sim_world_at(&w->cluster->process,
                               sim_now() + sim_between(BOOKMARK_LEAST_MS, BOOKMARK_MOST_MS),
                               on_bookmark, NULL, w);
    snprintf(line, sizeof(line),
             "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"%" PRId64
             "\"}}}\n",
             w->cluster->version);
    http_reply_write(w->x, slice_of(line));
    if (sim_chance(w->cluster->mood.end_watch))
        end_watch(w);
}

static void watch(struct http_exchange *x, struct sim_cluster *c, bool pods)
{
    char text[24] = "0";
    int bad = 0;
    if (http_query_get(http_exchange_head(x)->query, "sendInitialEvents", text, sizeof(text),
                       &bad)) {
        reply_status(x, 422, "sendInitialEvents is forbidden"); /* lists are by pages here */
        return;
    }
    http_query_get(http_exchange_head(x)->query, "resourceVersion", text, sizeof(text), &bad);
    int64_t from = atoll(text);
    if (from < c->compacted || sim_chance(c->mood.expire)) {
        reply_status(x, 410, "too old resource version");
        return;
    }
    struct sim_watcher *w = mem_alloc(sizeof(*w));
    w->cluster = c;
    w->x = x;
    w->pods = pods;
    DL_APPEND(c->watchers, w);
    http_reply_begin(x, 200, -1);
    for (size_t i = 0; pods && i < c->event_count; i++) {
        if (c->events[i].version > from)
            http_reply_write(x, slice_of(c->events[i].line));
    }
    w->bookmark = sim_world_at(&c->process, sim_now() + sim_between(1000, BOOKMARK_MOST_MS),
                               on_bookmark, NULL, w);
    http_exchange_on_gone(x, on_gone, w);
}

void sim_api_server_tell(struct sim_cluster *c, const char *line)
{
    struct sim_watcher *w, *next;
    DL_FOREACH_SAFE(c->watchers, w, next)
    {
        if (!line) {
            end_watch(w);
        } else if (w->pods && sim_chance(c->mood.garble)) {
            http_reply_write(w->x, slice_of("{\"type\":\"MODI\n"));
            end_watch(w);
        } else if (w->pods) {
            http_reply_write(w->x, slice_of(line));
        }
    }
}

static void list_or_watch(struct http_exchange *x, struct sim_cluster *c, bool pods)
{
    char word[8] = "";
    int bad = 0;
    if (is_refused(x, c))
        return;
    http_query_get(http_exchange_head(x)->query, "watch", word, sizeof(word), &bad);
    (*word == '1' ? watch : list)(x, c, pods);
}

static void all_pods(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    (void)m;
    list_or_watch(x, user, true);
}

static void all_nodes(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    (void)m;
    list_or_watch(x, user, false);
}

static void quotas(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    (void)m;
    (void)user;
    http_reply_json(x, 200, json_build("{s:[]}", "items"));
}

#define PODS "/api/v1/namespaces/{ns}/pods"
static const struct http_route ROUTES[] = {
    {HTTP_METHOD_GET, PODS, all_pods, "pods", ""},
    {HTTP_METHOD_POST, PODS, create_pod, "create", ""},
    {HTTP_METHOD_GET, PODS "/{name}", get_pod, "get", ""},
    {HTTP_METHOD_DELETE, PODS "/{name}", delete_pod, "delete", ""},
    {HTTP_METHOD_GET, "/api/v1/nodes", all_nodes, "nodes", ""},
    {HTTP_METHOD_GET, "/api/v1/namespaces/{ns}/resourcequotas", quotas, "quotas", ""},
};
static struct http_routes routes = HTTP_ROUTES(ROUTES);

void sim_api_server_serve(struct http_exchange *x, void *cluster)
{
    http_dispatch(&routes, x, cluster);
}
