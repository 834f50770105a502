#include "gateway/operators_api.h"

#include "base/json.h"
#include "clusters/kube_object.h"
#include "clusters/kube_store.h"
#include "gateway/environments.h"
#include "gateway/packages.h"
#include "gateway/remote_forward.h"
#include "gateway/request.h"
#include "gateway/session_table.h"
#include "gateway/watermark_view.h"
#include "http/http_reply.h"
#include "router/redis_client.h"
#include "router/remote.h"

/* Alive: answers at all. */
void operators_api_healthz(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct request *r = request_open(user, x, m, (struct slice){0}, REQUEST_OPEN);
    struct gateway *g = user;
    if (r)
        request_reply_json(r, 200,
                           json_build("{s:s,s:s,s:s,s:s}", "status", "ok", "gateway", g->name,
                                      "site", g->conf.site, "version", SPILLWAY_VERSION));
}

/* Ready: has seen the whole cluster, and takes new work. */
void operators_api_readyz(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct gateway *g = user;
    struct request *r = request_open(g, x, m, (struct slice){0}, REQUEST_READY);
    if (!r)
        return;
    if (g->draining)
        request_problemf(r, ERR_NOT_READY, "the gateway is going down");
    else
        request_reply_json(r, 200,
                           json_build("{s:s,s:b,s:b}", "status", "ok", "redis",
                                      redis_client_up(g->redis) ? 1 : 0, "kubernetes",
                                      kube_store_connected(g->store) ? 1 : 0));
}

static struct json_t *environment_json(const struct environment *e)
{
    struct json_t *languages = json_new_array();
    struct session_spec amounts = {
        .millicpu = e->millicpu, .memory_bytes = e->memory_bytes, .disk_bytes = e->disk_bytes};
    for (int i = 0; i < e->language_count; i++)
        json_add(languages, json_new_text(e->languages[i]));
    struct json_t *j = json_new_object();
    json_set_text(j, "name", e->name);
    json_set_text(j, "description", e->description);
    json_set_text(j, "image", e->image);
    json_set(j, "languages", languages);
    json_set(j, "resources", session_spec_resources(&amounts));
    json_set_int(j, "pids", e->pids);
    packages_put(e->packages, j);
    return j;
}

void operators_api_environments(struct http_exchange *x, const struct http_route_match *m,
                                void *user)
{
    struct gateway *g = user;
    struct request *r = request_open(g, x, m, (struct slice){0}, REQUEST_TENANT);
    struct err err;
    bool detail = false;
    if (!r)
        return;
    if (http_query_bool(http_exchange_head(x)->query, "detail", &detail, &err) < 0) {
        request_problem(r, &err);
        return;
    }
    struct json_t *items = json_new_array();
    for (size_t i = 0; i < environments_count(g->environments); i++) {
        const struct environment *e = environments_at(g->environments, i);
        json_add(items, detail ? environment_json(e) : json_build("{s:s}", "name", e->name));
    }
    struct json_t *j = json_new_object();
    json_set(j, "items", items);
    json_set(j, "continue", json_new_null());
    request_reply_json(r, 200, j);
}

static struct json_t *remote_json(struct remote *r)
{
    const struct remote_capacity *c = remote_capacity(r);
    bool reachable = remote_is_reachable(r);
    char at[32];
    struct json_t *j = json_new_object();
    json_set_text(j, "name", remote_name(r));
    json_set_text(j, "kind", "remote");
    json_set_text(j, "state", !reachable ? "unreachable" : *c->state ? c->state : "unknown");
    json_set_text(j, "reason", reachable ? c->reason : "no_answer");
    json_set(j, "slots", c->slots >= 0 ? json_new_int(c->slots) : json_new_null());
    json_set_int(j, "sessions", c->sessions);
    json_set_text(j, "breaker", breaker_state_word(remote_breaker(r)));
    if (remote_seen_ms(r) > 0)
        kube_time_print(remote_seen_wall_ms(r), at);
    json_set_text(j, "last_seen", remote_seen_ms(r) > 0 ? at : NULL);
    return j;
}

void operators_api_sites(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct gateway *g = user;
    struct request *r = request_open(g, x, m, (struct slice){0}, REQUEST_TENANT | REQUEST_READY);
    if (!r)
        return;
    struct json_t *watermark = watermark_view_json(g);
    struct json_t *site = json_new_object();
    json_set_text(site, "name", g->conf.site);
    json_set_text(site, "kind", "local");
    json_set_text(site, "state", json_get_text(watermark, "state", ""));
    json_set_text(site, "reason", json_get_text(watermark, "reason", ""));
    json_set_int(site, "slots", json_int(json_get(watermark, "slots"), 0));
    json_set_int(site, "sessions", (int64_t)session_table_count_here(g->sessions));
    json_free(watermark);
    json_set(site, "last_seen", json_new_null());
    struct json_t *items = json_new_array();
    json_add(items, site);
    for (size_t i = 0; i < remotes_count(g->remotes); i++)
        json_add(items, remote_json(remotes_at(g->remotes, i)));
    struct json_t *j = json_new_object();
    json_set(j, "items", items);
    json_set(j, "continue", json_new_null());
    request_reply_json(r, 200, j);
}

void operators_api_watermark(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct gateway *g = user;
    struct request *r = request_open(g, x, m, (struct slice){0}, REQUEST_TENANT | REQUEST_READY);
    char site[SESSION_ID_SIZE];
    int bad = 0;
    if (!r)
        return;
    bool asked = http_query_get(http_exchange_head(x)->query, "site", site, sizeof(site), &bad);
    bool own = !bad && (!asked || strcmp(site, g->conf.site) == 0);
    struct remote *other = own || bad ? NULL : remotes_get(g->remotes, site);
    if (own)
        request_reply_json(r, 200, watermark_view_json(g));
    else if (other)
        remote_forward_get(r, other, "/api/v1/watermark");
    else
        request_problemf(r, ERR_NOT_FOUND, "there is no such site");
}
