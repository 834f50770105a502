#include "clusters/kube_usage.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/world.h"
#include "clusters/kube_client.h"
#include "clusters/kube_transport.h"
#include <stdio.h>
#include <stdlib.h>

#define PATH        "/apis/metrics.k8s.io/v1beta1/nodes"
#define INTERVAL_MS 10000
#define CALL_MS     5000
#define FIRST_MS    50 /* a moment for the rest to come up */
#define REPLY_MAX   ((size_t)16 * 1024 * 1024)

struct kube_usage {
    struct kube_client *client;
    struct world *world;
    struct timer *timer;
    struct http_call *call; /* one at a time */
    struct kube_usage_table *table;
    struct kube_usage_conf conf;
    uint64_t stamp;
    bool good; /* the last poll; for the log */
    char error[256];
    kube_usage_f *changed;
    void *user;
};

static void note(struct kube_usage *u, const char *error)
{
    bool good = *error == '\0';

    if (good && !u->good)
        LOG(LOG_INFO, "usage_known", KV("nodes", (int64_t)kube_usage_table_count(u->table)));
    else if (!good && (u->good || *u->error == '\0'))
        LOG(LOG_WARN, "usage_trouble", KV("error", error));
    u->good = good;
    snprintf(u->error, sizeof(u->error), "%s", error);
}

static void take(struct kube_usage *u, const struct json_t *list)
{
    struct kube_usage_tally tally;
    struct err err;
    char text[64] = "";

    if (kube_usage_table_take(u->table, list, world_now_ms(u->world), world_wall_ms(u->world),
                              &tally, &err) < 0) {
        note(u, err.msg);
        return;
    }
    u->stamp += tally.newer > 0;
    if (tally.refused > 0)
        snprintf(text, sizeof(text), "%d unreadable measurements", tally.refused);
    note(u, text);
}

static void take_answer(struct kube_usage *u, const struct http_call_result *r)
{
    struct err err;
    char text[64];
    struct json_t *list;

    if (r->err) {
        note(u, r->err->msg);
        return;
    }
    if (r->status == 401)
        kube_transport_distrust_token(kube_client_transport(u->client));
    if (r->status != 200) {
        snprintf(text, sizeof(text), "the metrics API answered %d", r->status);
        note(u, text);
        return;
    }
    list = json_parse_object(r->body, &err);
    if (list)
        take(u, list);
    else
        note(u, err.msg);
    json_free(list);
}

static void on_answer(struct http_call *c, const struct http_call_result *r, void *user)
{
    struct kube_usage *u = user;

    (void)c;
    u->call = NULL;
    kube_client_hear(u->client, r);
    take_answer(u, r);
    u->changed(u->user);
}

static void ask(void *user)
{
    struct kube_usage *u = user;
    const struct kube_transport_request req = {
        .method = "GET", .path = PATH, .total_ms = u->conf.call_ms, .reply_max = REPLY_MAX};
    int64_t jitter_ms =
        (int64_t)world_random_below(u->world, (uint64_t)u->conf.interval_ms / 8 + 1);
    struct err err;

    /* Gateways that were started together must not ask together for ever. */
    timer_start(u->world, u->timer, u->conf.interval_ms - jitter_ms, 0);
    if (u->call)
        return;
    if (kube_transport_start(kube_client_transport(u->client), &req, on_answer, u, &u->call, &err) <
        0) {
        u->call = NULL;
        note(u, err.msg);
        u->changed(u->user);
    }
}

struct kube_usage *kube_usage_new(struct kube_client *k, const struct kube_usage_conf *conf,
                                  kube_usage_f *changed, void *user)
{
    struct kube_usage *u = mem_alloc(sizeof(*u));

    u->client = k;
    u->world = kube_client_world(k);
    u->conf.interval_ms = conf->interval_ms > 0 ? conf->interval_ms : INTERVAL_MS;
    u->conf.call_ms = conf->call_ms > 0 ? conf->call_ms : CALL_MS;
    u->changed = changed;
    u->user = user;
    u->table = kube_usage_table_new();
    u->timer = timer_new(u->world, ask, u);
    timer_start(u->world, u->timer, FIRST_MS, 0);
    return u;
}

void kube_usage_free(struct kube_usage **at)
{
    struct kube_usage *u = *at;

    *at = NULL;
    if (!u)
        return;
    if (u->call)
        http_call_cancel(&u->call);
    timer_free(u->world, &u->timer);
    kube_usage_table_free(&u->table);
    free(u);
}

const struct kube_usage_sample *kube_usage_get(const struct kube_usage *u, const char *node,
                                               int64_t *age_ms)
{
    const struct kube_usage_sample *s =
        kube_usage_table_get(u->table, node, world_now_ms(u->world), age_ms);

    return s && kube_usage_fresh(s, *age_ms) ? s : NULL;
}

uint64_t kube_usage_stamp(const struct kube_usage *u)
{
    return u->stamp;
}

const char *kube_usage_error(const struct kube_usage *u)
{
    return u->error;
}
