#include "gateway/locate.h"

#include "base/loop.h"
#include "base/mem.h"
#include "clusters/kube_client.h"
#include "clusters/kube_store.h"
#include "gateway/gateway.h"
#include "gateway/session_table.h"
#include "router/result_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <uthash.h>

#define MISS_MS    1000
#define MISSES_MAX 4096

struct miss {
    char id[SESSION_ID_SIZE];
    int64_t until_ms;
    UT_hash_handle hh;
};

struct locator {
    struct miss *misses; /* the oldest first */
};

struct search {
    struct gateway *g;
    char id[SESSION_ID_SIZE];
    char tenant[SESSION_ID_SIZE];
    bool dead_only;
    locate_f *fn;
    void *user;
};

struct locator *locator_new(struct gateway *g)
{
    (void)g;
    return mem_alloc(sizeof(struct locator));
}

static void drop(struct locator *l, struct miss *m)
{
    HASH_DEL(l->misses, m);
    free(m);
}

void locator_free(struct locator **l)
{
    if (!*l)
        return;
    while ((*l)->misses)
        drop(*l, (*l)->misses);
    free(*l);
    *l = NULL;
}

static struct miss *find_miss(struct locator *l, const char *id)
{
    struct miss *m;
    HASH_FIND_STR(l->misses, id, m);
    return m;
}

void locate_forget_miss(struct gateway *g, const char *id)
{
    struct miss *m = find_miss(g->locator, id);
    if (m)
        drop(g->locator, m);
}

static void remember_miss(struct gateway *g, const char *id)
{
    struct locator *l = g->locator;
    locate_forget_miss(g, id);
    while (HASH_COUNT(l->misses) >= MISSES_MAX)
        drop(l, l->misses);
    struct miss *m = mem_alloc(sizeof(*m));
    snprintf(m->id, sizeof(m->id), "%s", id);
    m->until_ms = world_now_ms(g->world) + MISS_MS;
    HASH_ADD_STR(l->misses, id, m);
}

static bool in_table(struct gateway *g, const char *id, const char *tenant, struct located *out)
{
    *out = (struct located){.kind = LOCATE_ABSENT};
    const char *owner = NULL;
    out->session = session_table_get(g->sessions, id);
    if (out->session) {
        out->kind = LOCATE_LIVING;
        owner = out->session->tenant;
    } else if ((out->tombstone = session_table_tombstone(g->sessions, id))) {
        out->kind = LOCATE_ENDED;
        owner = out->tombstone->tenant;
    }
    if (owner && strcmp(owner, tenant) != 0)
        *out = (struct located){.kind = LOCATE_FOREIGN};
    return owner != NULL;
}

bool locate_now(struct gateway *g, const char *id, const char *tenant, struct located *out)
{
    if (in_table(g, id, tenant, out))
        return true;
    struct miss *m = find_miss(g->locator, id);
    if (m && m->until_ms > world_now_ms(g->world))
        return true;
    if (m)
        drop(g->locator, m);
    return false;
}

static void finish(struct search *q, const struct err *err)
{
    struct located where;
    if (!err)
        in_table(q->g, q->id, q->tenant, &where);
    q->fn(err ? NULL : &where, err, q->user);
    free(q);
}

static void unavailable(struct search *q, const char *who)
{
    struct err err;
    err_set(&err, ERR_UNAVAILABLE,
            "%s does not answer, so it is not known whether there is a session '%s'", who, q->id);
    finish(q, &err);
}

static void on_tombstone(const struct slice *value, const struct err *err, void *user)
{
    struct search *q = user;
    struct err bad;
    if (err && !q->dead_only) {
        unavailable(q, "the result store");
        return;
    }
    struct tombstone *t = value ? tombstone_parse(q->id, *value, &bad) : NULL;
    if (t && !session_table_get(q->g->sessions, q->id))
        session_table_remember(q->g->sessions, t);
    else if (t)
        tombstone_free(&t); /* it began anew while we asked */
    else if (!q->dead_only && !session_table_get(q->g->sessions, q->id))
        remember_miss(q->g, q->id);
    finish(q, NULL);
}

static void on_pod(const struct kube_result *r, void *user)
{
    struct search *q = user;
    struct located where;
    if (r->err && r->err->code != ERR_NOT_FOUND) {
        unavailable(q, "the Kubernetes API");
        return;
    }
    if (!r->err)
        kube_store_learn(q->g->store, r->object);
    if (in_table(q->g, q->id, q->tenant, &where))
        finish(q, NULL);
    else
        result_store_get_tombstone(q->g->results, q->id, on_tombstone, q);
}

static void found_at_once(void *user)
{
    finish(user, NULL);
}

static struct search *new_search(struct gateway *g, const char *id, const char *tenant,
                                 locate_f *fn, void *user)
{
    struct search *q = mem_alloc(sizeof(*q));
    q->g = g;
    snprintf(q->id, sizeof(q->id), "%s", id);
    snprintf(q->tenant, sizeof(q->tenant), "%s", tenant);
    q->fn = fn;
    q->user = user;
    return q;
}

void locate_start(struct gateway *g, const char *id, const char *tenant, locate_f *fn, void *user)
{
    struct located where;
    struct search *q = new_search(g, id, tenant, fn, user);
    if (locate_now(g, id, tenant, &where))
        loop_defer(g->loop, found_at_once, q);
    else
        (void)kube_pod_get(g->kube, id, on_pod, q);
}

void locate_start_dead(struct gateway *g, const char *id, const char *tenant, locate_f *fn,
                       void *user)
{
    struct search *q = new_search(g, id, tenant, fn, user);
    q->dead_only = true;
    result_store_get_tombstone(g->results, id, on_tombstone, q);
}
