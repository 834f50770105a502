/* sim_quiet.c - what must hold when all is over: everything healed, every deadline long past. */
#include "base/json.h"
#include "clusters/kube_store.h"
#include "gateway/session_table.h"
#include "sim_history.h"
#include "sim_property.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* -- gateways -- */

static bool has_living(struct session *s, void *user)
{
    const struct sim_gateway *n = user;
    sim_violated("nothing left", "%s still has %s, %s", n->name, s->id,
                 session_state_word(session_state(s)));
}

static bool is_true(const struct kube_pod *p, void *user)
{
    const struct sim_gateway *n = user;
    struct sim_pod *truth = sim_cluster_find(n->site->cluster, p->name);
    if (!truth || strcmp(truth->uid, p->uid) != 0)
        sim_violated("store", "%s sees pod %s, which is not there", n->name, p->name);
    const char *version = json_get_text(json_get(truth->object, "metadata"), "resourceVersion", "");
    if (strcmp(version, p->resource_version) != 0)
        sim_violated("store", "%s sees pod %s at version %s, not %s", n->name, p->name,
                     p->resource_version, version);
    return true;
}

static void check_store(struct sim_gateway *n)
{
    const struct sim_pod *p;
    if (!kube_store_synced(n->g.store) || !kube_store_connected(n->g.store))
        sim_violated("store", "%s does not see its cluster: %s", n->name,
                     kube_store_error(n->g.store));
    kube_store_each_pod(n->g.store, is_true, n);
    DL_FOREACH(n->site->cluster->pods, p)
    if (!kube_store_pod(n->g.store, p->name))
        sim_violated("store", "%s does not see pod %s", n->name, p->name);
}

static void check_gateway(struct sim_gateway *n)
{
    if (n->exchange.open > 0)
        sim_violated("answered once", "%s has %u calls that it never answered", n->name,
                     n->exchange.open);
    session_table_each(n->g.sessions, has_living, n);
    check_store(n);
}

/* -- pods and records -- */

static void check_cluster(const struct sim_cluster *c)
{
    const struct sim_pod *p;
    DL_FOREACH(c->pods, p)
    if (p->is_session)
        sim_violated("nothing left", "%s still has the pod of %s%s", c->name, p->name,
                     p->terminating ? ", going"
                     : p->over      ? ", over"
                                    : "");
}

/* The time of a claim; without one its key goes by itself. */
static bool is_past(struct slice ms)
{
    char text[24];
    snprintf(text, sizeof(text), "%.*s", SLICE_ARG(ms));
    return *text && atoll(text) < sim_wall();
}

static void check_key(const char *key, void *user)
{
    struct sim_site *s = user;
    const char *end = strstr(key, "}:r");
    if (strncmp(key, "spillway:deletes:", 17) == 0)
        sim_violated("nothing left", "%s still is to delete what %s names", s->name, key);
    if (strncmp(key, "spillway:looks:", 15) == 0)
        sim_violated("nothing left", "%s still looks at what %s names", s->name, key);
    if (!end || end[3] != '\0')
        return;
    const struct slice get[] = {slice_of("HMGET"), slice_of(key), slice_of("st"), slice_of("un")};
    struct redis_value *v = sim_redis_run(s->redis, get, 4);
    bool over = slice_eq(v->items[0].text, "pending") && is_past(v->items[1].text);
    if (!over && !slice_eq(v->items[0].text, "gone"))
        sim_violated("nothing left", "the record %s is %.*s", key, SLICE_ARG(v->items[0].text));
    sim_redis_reply_free(&v);
}

void sim_property_after_quiet(struct sim_history *h)
{

    for (int i = 0; i < h->client_count; i++) {
        if (!sim_client_is_done(h->clients[i]))
            sim_violated("answered once", "the client of %s is not done",
                         sim_client_session(h->clients[i]));
    }
    for (int i = 0; i < h->site_count; i++) {
        struct sim_site *s = h->sites[i];
        check_cluster(s->cluster);
        for (int k = 0; k < s->gateway_count; k++)
            check_gateway(&s->gateways[k]);
        sim_redis_each(s->redis, check_key, s);
    }
}
