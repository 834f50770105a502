#include "gateway/debug_api.h"

#include "base/json.h"
#include "base/world.h"
#include "clusters/kube_store.h"
#include "gateway/environments.h"
#include "gateway/gateway_metrics.h"
#include "gateway/placement.h"
#include "gateway/remote_pick.h"
#include "gateway/remote_session.h"
#include "gateway/request.h"
#include "gateway/session_table.h"
#include "gateway/session_view.h"
#include "gateway/tender.h"
#include "gateway/watermark_view.h"
#include "http/http_reply.h"
#include "router/decision.h"
#include "router/peers.h"
#include "router/remote.h"
#include "watermark/reservations.h"
#include "watermark/watermark_feed.h"

#include <stdio.h>

#define METRICS_MAX ((size_t)4 * 1024 * 1024)

static struct request *open_debug(struct http_exchange *x, const struct http_route_match *m,
                                  struct gateway *g)
{
    return request_open(g, x, m, (struct slice){0}, REQUEST_OPEN);
}

void debug_api_metrics(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct gateway *g = user;
    struct request *r = open_debug(x, m, g);
    struct buf text;
    if (!r)
        return;
    buf_init(&text, METRICS_MAX);
    gateway_metrics_print(g->metrics, g, &text);
    request_reply(r, 200, "text/plain; version=0.0.4; charset=utf-8", buf_slice(&text));
    buf_fini(&text);
}

struct dump {
    struct gateway *g;
    struct json_t *items;
};

struct json_t *debug_api_session(const struct gateway *g, struct session *s)
{
    struct json_t *j = session_view(s, g->conf.site);
    json_set_text(j, "tenant", s->tenant);
    json_set_text(j, "epoch", s->epoch);
    json_set_text(j, "agent", s->agent.host);
    json_set_text(j, "tender", s->tender ? tender_state(s->tender) : NULL);
    json_set_bool(j, "ending", s->ending != NULL);
    json_set_bool(j, "handover", s->handover != NULL);
    json_set_bool(j, "fresh", s->remote ? remote_session_is_fresh(s) : true);
    json_set_bool(j, "duty", peers_own_duty(g->peers, s->id));
    json_set_bool(j, "started", session_is_started(s));
    json_set_int(j, "running", s->activity.running);
    json_set_int(j, "seq", s->activity.seq);
    json_set(j, "executions", s->executions ? json_ref(s->executions) : json_new_object());
    return j;
}

static bool dump_session(struct session *s, void *user)
{
    struct dump *d = user;
    json_add(d->items, debug_api_session(d->g, s));
    return true;
}

static bool dump_pod(const struct kube_pod *p, void *user)
{
    static const char *const PHASES[] = {"Pending", "Running", "Succeeded", "Failed", "Unknown"};
    struct dump *d = user;
    json_add(d->items, json_build("{s:s,s:s,s:s,s:s,s:s,s:b,s:b,s:s}", "name", p->name, "uid",
                                  p->uid, "session", p->marks.session_id, "node", p->node_name,
                                  "phase", PHASES[p->phase], "ready", p->ready ? 1 : 0,
                                  "terminating", p->terminating ? 1 : 0, "reason", p->reason));
    return true;
}

static void reply_items(struct request *r, struct json_t *items)
{
    struct json_t *j = json_new_object();
    json_set(j, "items", items);
    request_reply_json(r, 200, j);
}

static void reply_sessions(struct request *r, struct gateway *g,
                           bool (*dump)(struct session *s, void *user))
{
    struct dump d = {g, json_new_array()};
    session_table_each(g->sessions, dump, &d);
    if (r)
        reply_items(r, d.items);
    else
        json_free(d.items);
}

void debug_api_sessions(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    reply_sessions(open_debug(x, m, user), user, dump_session);
}

void debug_api_pods(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct gateway *g = user;
    struct request *r = open_debug(x, m, g);
    struct dump d = {g, json_new_array()};
    kube_store_each_pod(g->store, dump_pod, &d);
    if (r)
        reply_items(r, d.items);
    else
        json_free(d.items);
}

static bool dump_route(struct session *s, void *user)
{
    struct dump *d = user;
    if (session_is_remote(s))
        json_add(d->items, json_build("{s:s,s:s,s:s,s:s,s:s,s:b}", "session", s->id, "site",
                                      s->site, "epoch", s->epoch, "tenant", s->tenant, "status",
                                      session_state_word(session_state(s)), "fresh",
                                      s->remote && remote_session_is_fresh(s) ? 1 : 0));
    return true;
}

void debug_api_routes(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    reply_sessions(open_debug(x, m, user), user, dump_route);
}

void debug_api_watermark(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct gateway *g = user;
    struct request *r = open_debug(x, m, g);
    if (r)
        request_reply_json(r, 200, watermark_view_json(g));
}

static struct json_t *map_list(const struct config_map_list *list)
{
    struct json_t *out = json_new_array();
    for (size_t i = 0; i < list->count; i++) {
        struct json_t *item = json_new_object();
        for (size_t k = 0; k < list->items[i].count; k++)
            json_set_text(item, list->items[i].keys[k], list->items[i].values[k]);
        json_add(out, item);
    }
    return out;
}

static struct json_t *value_of(const struct gateway_config *c, const struct config_key *key)
{
    const char *at = (const char *)c + key->offset;
    struct json_t *list;
    const struct config_list *texts;
    switch (key->type) {
    case CONFIG_TEXT:
        return json_new_text(*(const char *const *)(const void *)at);
    case CONFIG_BOOL:
        return json_new_bool(*(const bool *)(const void *)at);
    case CONFIG_TEXT_LIST:
        list = json_new_array();
        texts = (const struct config_list *)(const void *)at;
        for (size_t i = 0; i < texts->count; i++)
            json_add(list, json_new_text(texts->items[i]));
        return list;
    case CONFIG_TEXT_MAP:
        return json_new_null(); /* the table has none */
    case CONFIG_MAP_LIST:
        return map_list((const struct config_map_list *)(const void *)at);
    default:
        return json_new_int(*(const int64_t *)(const void *)at);
    }
}

/* Secrets are in files, of which the configuration knows the names only. */
void debug_api_config(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct gateway *g = user;
    struct request *r = open_debug(x, m, g);
    if (!r)
        return;
    struct json_t *j = json_new_object();
    for (size_t i = 0; i < GATEWAY_CONFIG_KEY_COUNT; i++)
        json_set(j, GATEWAY_CONFIG_KEYS[i].name, value_of(&g->conf, &GATEWAY_CONFIG_KEYS[i]));
    request_reply_json(r, 200, j);
}

/* What the choice among them goes by. */
static struct json_t *other_sites(struct gateway *g)
{
    struct remote_choice_site sites[REMOTES_MAX];
    size_t count = remotes_choices(g->remotes, sites);
    struct json_t *items = json_new_array();
    for (size_t i = 0; i < count; i++) {
        const struct remote_choice_site *s = &sites[i];
        json_add(items, json_build("{s:s,s:b,s:I,s:I,s:I,s:I,s:I}", "name", s->name, "reachable",
                                   s->reachable ? 1 : 0, "slots", s->slots, "sessions", s->sessions,
                                   "max_sessions", s->sessions_max, "priority", s->priority,
                                   "weight", s->weight));
    }
    return items;
}

static struct json_t *explain(struct gateway *g, const char *wish,
                              const struct kube_resources *shape)
{
    struct decision d;
    bool elsewhere = placement_decide(g, wish, "", shape, &d);
    enum decision_reason nowhere = d.reason;
    const char *goes = d.kind == DECISION_LOCAL ? g->conf.site
                       : elsewhere              ? remote_pick_name(g, wish, &nowhere)
                                                : NULL;
    int64_t reserved = reservations_count(g->reservations, world_now_ms(g->world));
    struct json_t *j =
        json_build("{s:s,s:s,s:I,s:I}", "reason", decision_reason_name(d.reason), "text",
                   decision_reason_text(d.reason), "slots", d.slots, "reserved", reserved);
    json_set_text(j, "goes", goes);
    json_set(j, "nowhere",
             goes ? json_new_null()
                  : json_build("{s:s,s:s}", "reason", decision_reason_name(nowhere), "text",
                               decision_reason_text(nowhere)));
    json_set(j, "sites", other_sites(g));
    json_set(j, "watermark", watermark_view_json(g));
    return j;
}

void debug_api_route(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct gateway *g = user;
    struct request *r = open_debug(x, m, g);
    char name[64], wish[SESSION_ID_SIZE] = "auto";
    int bad = 0;
    if (!r)
        return;
    struct slice query = http_exchange_head(x)->query;
    snprintf(name, sizeof(name), "%s", g->conf.default_environment);
    http_query_get(query, "environment", name, sizeof(name), &bad);
    http_query_get(query, "placement", wish, sizeof(wish), &bad);
    const struct environment *e = bad ? NULL : environments_get(g->environments, name);
    if (!e) {
        request_problemf(r, ERR_UNKNOWN_ENVIRONMENT, "there is no such environment");
        return;
    }
    struct kube_resources shape;
    placement_shape(g, e->millicpu, e->memory_bytes, e->disk_bytes, &shape);
    request_reply_json(r, 200, explain(g, wish, &shape));
}
