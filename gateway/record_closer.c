#include "gateway/record_closer.h"

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/world.h"
#include "gateway/gateway.h"
#include "gateway/session_id.h"
#include "router/remote.h"
#include "router/route_record.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#define PERIOD_MS 5000
#define AGAIN_MS  1000
#define KEPT_MAX  10000
#define LOOK_MS   30000 /* how often it is asked whether a session lives */
#define CALL_MS   3000

/* One that Redis has not taken. */
struct end {
    struct end *prev, *next;
    struct gateway *g;
    char id[SESSION_ID_SIZE];
    struct route_record record;
    bool writing; /* an answer of Redis is on its way, which frees it when the closer is gone */
};

struct record_closer {
    struct gateway *g;
    struct timer *timer, *again;
    struct end *ends;
    size_t count;
};

/* One record that is looked at. */
struct look {
    struct gateway *g;
    struct remote *remote;
    struct route_item what;
    struct route_record record;
};

static void no_answer(const struct route_answer *a, const struct err *err, void *user)
{
    (void)a;
    (void)err;
    (void)user;
}

void record_closer_watch(struct gateway *g, const char *remote, const char *id, const char *epoch)
{
    const struct route_item item = route_item_of(id, epoch);
    route_queue_add(g->routes, ROUTE_QUEUE_LOOKS, remote, &item, LOOK_MS, no_answer, NULL);
}

/* -- ends -- */

static void drop_end(struct end *e)
{
    struct record_closer *c = e->g->closer;
    DL_DELETE(c->ends, e);
    c->count--;
    if (!c->ends)
        timer_stop(c->g->world, c->again);
    free(e);
}

static void on_ended(const struct route_answer *a, const struct err *err, void *user)
{
    struct end *e = user;
    /* A claim may come to nothing, and be forgotten; else a later life's record stands. */
    bool claimed = !err && a->found && a->record.state == ROUTE_PENDING;
    e->writing = false;
    if (!e->g->closer)
        free(e);
    else if (!err && !claimed)
        drop_end(e);
}

static void write_end(struct end *e)
{
    e->writing = true;
    route_record_write(e->g->routes, e->id, &e->record, NULL, on_ended, e);
}

static void on_again(void *user)
{
    struct record_closer *c = user;
    struct end *e, *next;
    DL_FOREACH_SAFE(c->ends, e, next)
    if (!e->writing)
        write_end(e);
}

void record_closer_end(struct gateway *g, const char *id, const struct route_record *record)
{
    struct record_closer *c = g->closer;
    struct end *e = mem_alloc(sizeof(*e));
    *e = (struct end){.g = g, .record = *record};
    e->record.state = ROUTE_GONE;
    snprintf(e->id, sizeof(e->id), "%s", id);
    if (c->count >= KEPT_MAX && !c->ends->writing)
        drop_end(c->ends);
    if (!c->ends)
        timer_start(g->world, c->again, AGAIN_MS, AGAIN_MS);
    DL_APPEND(c->ends, e);
    c->count++;
    write_end(e);
}

/* -- looks -- */

static void done(struct look *l)
{
    route_queue_done(l->g->routes, ROUTE_QUEUE_LOOKS, remote_name(l->remote), &l->what, no_answer,
                     NULL);
    free(l);
}

static void close_record(struct look *l)
{
    struct route_record row = l->record;
    row.state = ROUTE_GONE;
    LOG(LOG_INFO, "route_record_closed", KV("session", (const char *)l->what.id),
        KV("site", (const char *)row.site));
    /* Its item stays: whether this was written is seen the next time. */
    route_record_write(l->g->routes, l->what.id, &row, NULL, no_answer, NULL);
    free(l);
}

static void on_asked(const struct remote_result *result, void *user)
{
    struct look *l = user;
    struct err bad;
    struct json_t *words = result->status == 200 ? json_parse_object(result->body, &bad) : NULL;
    bool told = words || result->status == 404;
    bool lives = json_true(json_get(words, "living")) &&
                 strcmp(json_get_text(words, "epoch", ""), l->what.epoch) == 0;
    json_free(words);
    if (told && !lives)
        close_record(l);
    else
        free(l); /* it is due again */
}

static void ask_site(struct look *l)
{
    char target[128];
    snprintf(target, sizeof(target), "/internal/v1/sessions/%s", l->what.id);
    const struct remote_request req = {.operation = "lookup",
                                       .method = "GET",
                                       .target = target,
                                       .tenant = l->record.tenant,
                                       .total_ms = CALL_MS,
                                       .reply_max = (size_t)1024 * 1024};
    struct remote_call *call = remote_call_start(l->remote, &req, on_asked, l);
    (void)call; /* ends by its own deadline */
}

static void on_record(const struct route_answer *a, const struct err *err, void *user)
{
    struct look *l = user;
    bool closed = !l->g->closer; /* the gateway ends */
    bool same = !err && a->found && strcmp(a->record.epoch, l->what.epoch) == 0;
    if (closed || err || (same && a->record.state == ROUTE_PENDING)) {
        free(l);
    } else if (same && a->record.state != ROUTE_GONE) {
        l->record = a->record;
        ask_site(l);
    } else {
        done(l);
    }
}

struct taken {
    struct gateway *g;
    struct remote *remote;
};

static void on_taken(const struct route_item *items, size_t count, const struct err *err,
                     void *user)
{
    struct taken t = *(struct taken *)user;
    free(user);
    (void)err;
    for (size_t i = 0; i < count && t.g->closer; i++) {
        struct look *l = mem_alloc(sizeof(*l));
        *l = (struct look){.g = t.g, .remote = t.remote, .what = items[i]};
        route_record_get(t.g->routes, l->what.id, on_record, l);
    }
}

static void on_timer(void *user)
{
    struct record_closer *c = user;
    struct gateway *g = c->g;
    for (size_t i = 0; i < remotes_count(g->remotes); i++) {
        struct remote *remote = remotes_at(g->remotes, i);
        if (!remote_is_reachable(remote))
            continue;
        struct taken *t = mem_alloc(sizeof(*t));
        *t = (struct taken){g, remote};
        route_queue_take(g->routes, ROUTE_QUEUE_LOOKS, remote_name(remote), LOOK_MS, on_taken, t);
    }
}

struct record_closer *record_closer_new(struct gateway *g)
{
    struct record_closer *c = mem_alloc(sizeof(*c));
    c->g = g;
    c->timer = timer_new(g->world, on_timer, c);
    c->again = timer_new(g->world, on_again, c);
    if (remotes_count(g->remotes) > 0)
        timer_start(g->world, c->timer, PERIOD_MS, PERIOD_MS);
    return c;
}

void record_closer_free(struct record_closer **at)
{
    struct record_closer *c = *at;
    struct end *e, *next;
    if (!c)
        return;
    *at = NULL;
    timer_free(c->g->world, &c->timer);
    timer_free(c->g->world, &c->again);
    DL_FOREACH_SAFE(c->ends, e, next)
    {
        DL_DELETE(c->ends, e);
        if (!e->writing)
            free(e);
    }
    free(c);
}
