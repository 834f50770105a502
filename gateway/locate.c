#include "gateway/locate.h"

#include "base/loop.h"
#include "base/mem.h"
#include "clusters/kube_client.h"
#include "clusters/kube_store.h"
#include "gateway/gateway.h"
#include "gateway/gateway_metrics.h"
#include "gateway/lookup_budget.h"
#include "gateway/remote_lookup.h"
#include "gateway/remote_session.h"
#include "gateway/session_table.h"
#include "gateway/store_damage.h"
#include "router/remote.h"
#include "router/result_store.h"
#include "router/route_record.h"

#include <stdio.h>
#include <stdlib.h>
#include <uthash.h>

#define MISS_MS       1000
#define MISSES_MAX    4096
#define ASK_EVERY_MS  20 /* other sites, about sessions that nobody knows */
#define ASKS_BURST_MS 2000

struct miss {
    char id[SESSION_ID_SIZE];
    int64_t until_ms;
    UT_hash_handle hh;
};

struct locator {
    struct miss *misses; /* the oldest first */
    struct lookup_budget budget;
    int64_t asks_ms; /* other sites are asked at a bounded rate: up to when that is used up */
};

/* One search: the pod, then tombstone and route record together, then other sites. */
struct search {
    struct gateway *g;
    char id[SESSION_ID_SIZE];
    char tenant[SESSION_ID_SIZE];
    unsigned how;
    int waiting; /* answers of the store */
    bool store_silent, damaged;
    bool settled; /* no route record is still to be written */
    bool sure;    /* what has no route record is at no other site */
    bool routed;
    struct route_record route;
    struct tombstone *tombstone;
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

static void count(const struct search *q, const struct located *where, const struct err *err)
{
    static const char *const WORDS[] = {
        [LOCATE_ABSENT] = "absent",
        [LOCATE_FOREIGN] = "foreign",
        [LOCATE_LIVING] = "living",
        [LOCATE_ENDED] = "ended",
    };
    const char *word = where ? WORDS[where->kind] : "failed";
    if (err && err->code == ERR_OVERLOADED)
        word = "refused";
    gateway_metrics_lookup(q->g->metrics, word);
}

static void end(struct search *q, const struct located *where, const struct err *err)
{
    if (!(q->how & LOCATE_TO_BEGIN))
        count(q, where, err);
    q->fn(where, err, q->user);
    tombstone_free(&q->tombstone);
    free(q);
}

static void finish(struct search *q)
{
    struct located where;
    in_table(q->g, q->id, q->tenant, &where);
    bool claimed = q->route.state == ROUTE_PENDING;
    bool was_there = claimed ? *q->route.lived : route_record_has_lived(&q->route);
    where.past = where.kind == LOCATE_ABSENT && q->routed && was_there;
    end(q, &where, NULL);
}

static void finish_foreign(struct search *q)
{
    const struct located where = {.kind = LOCATE_FOREIGN};
    end(q, &where, NULL);
}

static bool checks(const struct search *q)
{
    return (q->how & LOCATE_CHECK) != 0;
}

static void unavailable(struct search *q, const char *who)
{
    struct err err;
    if (checks(q)) {
        finish(q);
        return;
    }
    err_set(&err, ERR_UNAVAILABLE,
            "%s does not answer, so it is not known whether there is a session '%s'", who, q->id);
    end(q, NULL, &err);
}

static bool begins(const struct search *q)
{
    return (q->how & LOCATE_TO_BEGIN) != 0;
}

static void take_tombstone(struct search *q)
{
    struct tombstone *t = q->tombstone;
    q->tombstone = NULL;
    if (t && !session_table_get(q->g->sessions, q->id))
        session_table_hear(q->g->sessions, t);
    else
        tombstone_free(&t); /* it began anew while we asked */
}

static void on_replaced(const struct slice *value, const struct err *err, void *user)
{
    struct search *q = user;
    (void)value;
    if (err) {
        unavailable(q, "the result store");
        return;
    }
    take_tombstone(q);
    finish(q);
}

/* Who begins a session takes the id over: from a session that was lost, with all that ran there. So
 * it is not blocked, and an execution that may have run there does not run again unasked. */
static void replace_damaged(struct search *q)
{
    struct buf text;
    buf_init(&text, TOMBSTONE_BYTES_MAX);
    store_damage_note(q->g, "tombstone", q->id);
    q->tombstone = tombstone_new_lost(q->id, q->tenant, q->g->conf.site);
    tombstone_print(q->tombstone, &text);
    result_store_replace_tombstone(q->g->results, q->id, buf_slice(&text), on_replaced, q);
    buf_fini(&text);
}

/* Nobody knows what ran there, or whose it was; unless it is in memory still. */
static void damaged(struct search *q)
{
    struct located where;
    struct err err;
    if (in_table(q->g, q->id, q->tenant, &where)) {
        end(q, &where, NULL);
    } else if (begins(q)) {
        replace_damaged(q);
    } else {
        store_damage_err(q->g, "tombstone", q->id, &err);
        end(q, NULL, &err);
    }
}

static bool may_ask_sites(const struct search *q)
{
    return remotes_count(q->g->remotes) > 0 && !(q->how & LOCATE_HERE_ONLY);
}

static void absent(struct search *q)
{
    bool beginner = begins(q) || (q->how & LOCATE_FOR_BEGINNER);
    if (q->store_silent && !beginner) {
        unavailable(q, "the result store");
        return;
    }
    if (!beginner && !session_table_get(q->g->sessions, q->id))
        remember_miss(q->g, q->id);
    finish(q);
}

/* -- 3. other sites -- */

/* A gateway that has just begun knows nothing at all of a silent site, unless the others have had
 * time to put what they know in writing. */
static bool may_begin_unheard(const struct search *q, const struct remote_lookup_answer *a)
{
    return !a->held && !(a->untold && !q->settled);
}

static void on_asked(const struct remote_lookup_answer *a, void *user)
{
    struct search *q = user;
    if (a->kind == REMOTE_LOOKUP_FOREIGN)
        finish_foreign(q);
    else if (a->kind == REMOTE_LOOKUP_FOUND)
        finish(q);
    else if (a->kind == REMOTE_LOOKUP_SILENT && checks(q))
        finish(q);
    else if (a->kind == REMOTE_LOOKUP_SILENT && !(begins(q) && may_begin_unheard(q, a)))
        end(q, NULL, &a->err);
    else
        absent(q);
}

static void on_closed(const struct route_answer *a, const struct err *err, void *user)
{
    /* What was not written is asked for, and written, the next time. */
    (void)a;
    (void)err;
    (void)user;
}

/* Its site has neither pod nor tombstone: the record has outlived the session. */
static void close_record(const struct search *q)
{
    struct route_record row = q->route;
    row.state = ROUTE_GONE;
    route_record_write(q->g->routes, q->id, &row, NULL, on_closed, NULL);
}

/* Whoever was found there is condemned, or was deleted, and may not know of it yet. */
static void show_closing(const struct search *q)
{
    struct session *s = session_table_get(q->g->sessions, q->id);
    if (s && s->remote && strcmp(s->epoch, q->route.epoch) == 0)
        remote_session_close(s);
}

static void on_asked_one(const struct remote_lookup_answer *a, void *user)
{
    struct search *q = user;
    if (a->kind == REMOTE_LOOKUP_FOUND && q->route.state == ROUTE_CLOSING)
        show_closing(q);
    if (a->kind == REMOTE_LOOKUP_ABSENT && q->route.state == ROUTE_ACTIVE)
        close_record(q);
    if (a->kind == REMOTE_LOOKUP_SILENT)
        end(q, NULL, &a->err); /* it was there when the record was written */
    else
        on_asked(a, q);
}

static bool may_ask_now(struct gateway *g)
{
    int64_t now = world_now_ms(g->world);
    struct locator *l = g->locator;
    if (l->asks_ms < now)
        l->asks_ms = now;
    if (l->asks_ms - now > ASKS_BURST_MS)
        return false;
    l->asks_ms += ASK_EVERY_MS;
    return true;
}

static void ask_sites(struct search *q)
{
    /* Who claimed it may have placed it, and not have said so. */
    bool claimed = q->routed && q->route.state == ROUTE_PENDING;
    bool needed = !begins(q) || !q->sure || claimed;
    if (!may_ask_sites(q) || !needed)
        absent(q);
    else if (may_ask_now(q->g))
        remote_lookup_all(q->g, q->id, q->tenant, begins(q), on_asked, q);
    else if (q->sure && !claimed)
        absent(q);
    else
        unavailable(q, "one of the other sites");
}

/* -- 2. the store -- */

static void with_store(struct search *q)
{
    struct remote *remote = q->routed ? remotes_get(q->g->remotes, q->route.site) : NULL;
    bool ended_there = q->route.state == ROUTE_GONE;
    bool ours = q->routed && strcmp(q->route.site, q->g->conf.site) == 0; /* before it moved */
    if (checks(q) && q->store_silent) {
        finish(q);
    } else if ((remote || ours) && strcmp(q->route.tenant, q->tenant) != 0) {
        finish_foreign(q);
    } else if (remote && !(ended_there && q->tombstone) && q->route.state != ROUTE_PENDING) {
        remote_lookup_one(q->g, remote, q->id, q->tenant, begins(q), on_asked_one, q);
    } else if (q->tombstone) {
        take_tombstone(q);
        finish(q);
    } else if (q->damaged) {
        damaged(q);
    } else {
        ask_sites(q);
    }
}

static void took_answer(struct search *q)
{
    if (--q->waiting == 0)
        with_store(q);
}

static void on_tombstone(const struct slice *value, const struct err *err, void *user)
{
    struct search *q = user;
    struct err bad;
    q->store_silent |= err != NULL;
    if (value)
        q->tombstone = tombstone_parse(q->id, *value, &bad);
    q->damaged = value && !q->tombstone;
    took_answer(q);
}

static void on_route(const struct route_answer *a, const struct err *err, void *user)
{
    struct search *q = user;
    q->store_silent |= err != NULL;
    q->settled = !err && a->settled;
    q->sure = !err && a->sure;
    if (!err && a->found) {
        q->routed = true;
        q->route = a->record;
    }
    if (!err && a->damaged)
        store_damage_note(q->g, "route", q->id);
    took_answer(q);
}

static void ask_store(struct search *q)
{
    q->waiting = 1;
    if (may_ask_sites(q)) {
        q->waiting++;
        route_record_get(q->g->routes, q->id, on_route, q);
    }
    result_store_get_tombstone(q->g->results, q->id, on_tombstone, q);
}

/* -- 1. the pod -- */

/* An end, also one that is just coming, or a life at another site: the cluster, or another gateway,
 * may know better. */
static bool may_be_old(const struct located *where)
{
    const struct session *s = where->session;
    return where->kind == LOCATE_ENDED ||
           (where->kind == LOCATE_LIVING && (s->remote || session_is_going(s)));
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
    bool known = in_table(q->g, q->id, q->tenant, &where);
    if (known && !((q->how & LOCATE_ANEW) && may_be_old(&where)))
        finish(q);
    else
        ask_store(q);
}

static void found_at_once(void *user)
{
    finish(user);
}

static void refused(void *user)
{
    struct search *q = user;
    struct err err;
    err_set(&err, ERR_OVERLOADED,
            "too many unknown sessions are asked for, so '%s' was not looked for", q->id);
    end(q, NULL, &err);
}

void locate_start(struct gateway *g, const char *id, const char *tenant, unsigned how, locate_f *fn,
                  void *user)
{
    struct located where;
    struct search *q = mem_alloc(sizeof(*q));
    q->g = g;
    snprintf(q->id, sizeof(q->id), "%s", id);
    snprintf(q->tenant, sizeof(q->tenant), "%s", tenant);
    q->how = how;
    q->fn = fn;
    q->user = user;
    if (begins(q) || checks(q))
        ask_store(q);
    else if (locate_now(g, id, tenant, &where) && !((how & LOCATE_ANEW) && may_be_old(&where)))
        loop_defer(g->loop, found_at_once, q);
    else if (!lookup_budget_take(&g->locator->budget, tenant, world_now_ms(g->world)))
        loop_defer(g->loop, refused, q);
    else
        (void)kube_pod_get(g->kube, id, on_pod, q);
}
