#include "gateway/remote_delete.h"

#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "gateway/record_closer.h"
#include "gateway/remote_session.h"
#include "gateway/session_table.h"
#include "router/remote.h"
#include "router/route_record.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#define CALL_MS   3000
#define PERIOD_MS 1000
#define LEASE_MS  10000
#define KEPT_MAX  10000

/* One that Redis did not take, or that is being worked on. */
struct job {
    struct job *prev, *next;
    struct gateway *g;
    struct remote *remote;
    struct route_item what;
    struct request *asker; /* is answered when the store has it */
    int64_t due_ms;
    bool kept; /* in memory: there is no other place for it */
    bool busy;
    bool in_store; /* its record is being read */
};

struct remote_deletes {
    struct gateway *g;
    struct timer *timer;
    struct job *kept;
    size_t kept_count;
};

static void no_answer(const struct route_answer *a, const struct err *err, void *user)
{
    (void)a;
    (void)err;
    (void)user;
}

/* -- the queue -- */

static void keep(struct job *j)
{
    struct remote_deletes *d = j->g->deletes;
    if (!d || d->kept_count >= KEPT_MAX) {
        free(j); /* its site ends it at its deadline */
        return;
    }
    j->kept = true;
    DL_APPEND(d->kept, j);
    d->kept_count++;
}

static void drop(struct job *j)
{
    if (j->kept) {
        DL_DELETE(j->g->deletes->kept, j);
        j->g->deletes->kept_count--;
    }
    free(j);
}

static void reply(struct request *r, int status, const char *word, const char *message)
{
    request_reply_json(
        r, status,
        json_build("{s:s,s:s,s:s}", "session_id", r->id, "status", word, "message", message));
}

static void on_queued(const struct route_answer *a, const struct err *err, void *user)
{
    struct job *j = user;
    struct request *asker = j->asker;
    (void)a;
    j->asker = NULL;
    if (err)
        keep(j);
    else
        free(j);
    if (asker)
        reply(asker, 202, "stopping", "the session ends when its site answers again");
}

static struct job *job_new(struct gateway *g, struct remote *remote, const struct route_item *what)
{
    struct job *j = mem_alloc(sizeof(*j));
    j->g = g;
    j->remote = remote;
    j->what = *what;
    return j;
}

static void queue(struct job *j, int64_t after_ms)
{
    struct gateway *g = j->g;
    j->due_ms = world_now_ms(g->world) + after_ms;
    LOG(LOG_INFO, "remote_delete_queued", KV("session", (const char *)j->what.id),
        KV("site", remote_name(j->remote)));
    route_queue_add(g->routes, ROUTE_QUEUE_DELETES, remote_name(j->remote), &j->what, after_ms,
                    on_queued, j);
}

/* Its record says `closing` already. Ends the request: what a client was told of outlives us. */
static void queue_wanted(struct request *r, struct remote *remote, const char *epoch)
{
    struct route_item what = route_item_of(r->id, epoch);
    what.wanted = true;
    struct job *j = job_new(r->g, remote, &what);
    j->asker = r;
    queue(j, 0);
}

void remote_delete_doubtful(struct gateway *g, struct remote *remote, const char *id,
                            const char *epoch, int64_t after_ms)
{
    const struct route_item what = route_item_of(id, epoch);
    queue(job_new(g, remote, &what), after_ms);
}

static void done(struct job *j, const char *event)
{
    struct gateway *g = j->g;
    LOG(LOG_INFO, event, KV("session", (const char *)j->what.id),
        KV("site", remote_name(j->remote)));
    if (!j->kept)
        route_queue_done(g->routes, ROUTE_QUEUE_DELETES, remote_name(j->remote), &j->what,
                         no_answer, NULL);
    drop(j);
}

static void again_later(struct job *j)
{
    j->busy = false;
    if (j->kept)
        j->due_ms = world_now_ms(j->g->world) + LEASE_MS / 2;
    else
        free(j); /* due again when the lease is over */
}

/* -- its record says so, too -- */

struct closing {
    struct gateway *g;
    struct route_item what;
};

static void on_record_to_close(const struct route_answer *a, const struct err *err, void *user)
{
    struct closing c = *(struct closing *)user;
    free(user);
    bool same = !err && a->found && strcmp(a->record.epoch, c.what.epoch) == 0;
    if (!same || a->record.state != ROUTE_CLOSING || !c.g->deletes)
        return; /* what is not written now the record's closer sees */
    struct route_record row = a->record;
    row.state = ROUTE_GONE;
    route_record_write(c.g->routes, c.what.id, &row, NULL, no_answer, NULL);
}

static void close_record(struct gateway *g, const struct route_item *what)
{
    struct closing *c = mem_alloc(sizeof(*c));
    *c = (struct closing){g, *what};
    route_record_get(g->routes, what->id, on_record_to_close, c);
}

/* -- the call -- */

/* One that nobody may be using is over when its site says so: it agrees, or does not. */
static void on_deleted(const struct remote_result *result, void *user)
{
    struct job *j = user;
    bool over = result->status == 200 || result->status == 404;
    if (over)
        close_record(j->g, &j->what);
    if (over || (j->what.wanted && result->status / 100 == 2))
        done(j, "remote_deleted");
    else
        again_later(j);
}

static void send_delete(struct job *j)
{
    char target[128];
    snprintf(target, sizeof(target), "/internal/v1/sessions/%s%s", j->what.id,
             j->what.wanted ? "" : "?unused=true");
    const struct remote_request req = {.operation = "delete",
                                       .method = "DELETE",
                                       .target = target,
                                       .epoch = j->what.epoch,
                                       .total_ms = CALL_MS};
    struct remote_call *call = remote_call_start(j->remote, &req, on_deleted, j);
    (void)call; /* ends by its own deadline */
}

/* Behind this who would take it into use meets the record, which says `closing`. */
static void on_condemned(const struct route_answer *a, const struct err *err, void *user)
{
    struct job *j = user;
    bool same = !err && a->found && strcmp(a->record.epoch, j->what.epoch) == 0;
    j->in_store = false;
    if (!j->g->deletes) {
        free(j);
    } else if (same && a->record.state == ROUTE_ACTIVE) {
        done(j, "remote_delete_dropped");
    } else if (err || (a->found && a->record.state == ROUTE_PENDING)) {
        again_later(j);
    } else {
        record_closer_watch(j->g, remote_name(j->remote), j->what.id, j->what.epoch);
        send_delete(j);
    }
}

static bool is_used_here(const struct job *j)
{
    const struct session *s = session_table_get(j->g->sessions, j->what.id);
    return s && s->remote && strcmp(s->epoch, j->what.epoch) == 0 && !session_is_over(s) &&
           session_state(s) != SESSION_STOPPING;
}

/* A create of unknown outcome may have been found, and its session be in use, since its delete was
 * queued; or be found just now, by whoever has a claim. The record is what all gateways of this
 * site agree on; while it cannot be read, is not complete, or may say what was before Redis was
 * away, nothing is deleted. */
static void on_record_of(const struct route_answer *a, const struct err *err, void *user)
{
    struct job *j = user;
    bool known = !err && (a->found ? a->settled : a->sure);
    if (j->g->deletes && is_used_here(j)) { /* a Redis that lost its record does not say so */
        j->in_store = false;
        done(j, "remote_delete_dropped");
        return;
    }
    if (known && j->g->deletes) {
        route_record_condemn(j->g->routes, j->what.id, remote_name(j->remote), j->what.epoch,
                             on_condemned, j);
        return;
    }
    j->in_store = false;
    if (j->g->deletes)
        again_later(j);
    else
        free(j);
}

static void work(struct job *j)
{
    j->busy = true;
    if (j->what.wanted) {
        send_delete(j);
    } else {
        j->in_store = true;
        route_record_get(j->g->routes, j->what.id, on_record_of, j);
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
    for (size_t i = 0; i < count && t.g->deletes; i++)
        work(job_new(t.g, t.remote, &items[i]));
}

static void look_at(struct remote_deletes *d, struct remote *remote)
{
    struct taken *t = mem_alloc(sizeof(*t));
    *t = (struct taken){d->g, remote};
    route_queue_take(d->g->routes, ROUTE_QUEUE_DELETES, remote_name(remote), LEASE_MS, on_taken, t);
}

static void on_timer(void *user)
{
    struct remote_deletes *d = user;
    int64_t now = world_now_ms(d->g->world);
    struct job *j, *next;
    for (size_t i = 0; i < remotes_count(d->g->remotes); i++) {
        struct remote *remote = remotes_at(d->g->remotes, i);
        if (remote_is_reachable(remote))
            look_at(d, remote);
    }
    DL_FOREACH_SAFE(d->kept, j, next)
    {
        if (!j->busy && j->due_ms <= now && remote_is_reachable(j->remote))
            work(j);
    }
}

struct remote_deletes *remote_deletes_new(struct gateway *g)
{
    struct remote_deletes *d = mem_alloc(sizeof(*d));
    d->g = g;
    d->timer = timer_new(g->world, on_timer, d);
    if (remotes_count(g->remotes) > 0)
        timer_start(g->world, d->timer, PERIOD_MS, PERIOD_MS);
    return d;
}

void remote_deletes_free(struct remote_deletes **at)
{
    struct remote_deletes *d = *at;
    struct job *j, *next;
    if (!d)
        return;
    *at = NULL;
    timer_free(d->g->world, &d->timer);
    DL_FOREACH_SAFE(d->kept, j, next)
    {
        DL_DELETE(d->kept, j);
        if (!j->in_store) /* else with its answer */
            free(j);
    }
    free(d);
}

/* -- a client's DELETE -- */

static void on_told(const struct remote_result *result, void *user)
{
    struct request *r = user;
    struct session *s = r->s;
    r->remote_call = NULL;
    if (result->status == 404 && s->remote) {
        remote_session_end(s, NULL);
        reply(r, 200, "stopped", "the session has ended");
        return;
    }
    if (result->status / 100 != 2 && s->remote)
        remote_session_record(s); /* in case Redis did not take it before */
    remote_session_want(s);       /* its end is seen, and its tombstone taken */
    struct remote *silent = result->status / 100 != 2 ? remotes_get(r->g->remotes, s->site) : NULL;
    if (silent)
        queue_wanted(r, silent, s->epoch);
    else
        reply(r, 202, "stopping", "the session is stopping");
}

void remote_delete_session(struct request *r, struct session *s)
{
    char target[128];
    if (session_is_over(s)) {
        reply(r, 200, session_state_word(session_state(s)), "the session has ended");
        return;
    }
    remote_session_close(s);
    snprintf(target, sizeof(target), "/internal/v1/sessions/%s", s->id);
    const struct remote_request req = {.operation = "delete",
                                       .method = "DELETE",
                                       .target = target,
                                       .tenant = s->tenant,
                                       .epoch = s->epoch,
                                       .request_id = http_exchange_request_id(r->x),
                                       .total_ms = CALL_MS};
    r->remote_call = remote_call_start(remote_session_site(s), &req, on_told, r);
}

struct unlocated {
    struct request *r;
    struct err why;
};

static void on_record(const struct route_answer *a, const struct err *err, void *user)
{
    struct unlocated u = *(struct unlocated *)user;
    struct gateway *g = u.r->g;
    free(user);
    /* Of one that is about to be placed nobody knows yet which incarnation it will be. */
    bool known =
        !err && a->found && a->record.state != ROUTE_GONE && a->record.state != ROUTE_PENDING;
    struct remote *remote = known ? remotes_get(g->remotes, a->record.site) : NULL;
    if (!remote || strcmp(a->record.tenant, u.r->tenant) != 0) {
        request_problem(u.r, &u.why);
        return;
    }
    struct route_record row = a->record;
    row.state = ROUTE_CLOSING;
    route_record_write(g->routes, u.r->id, &row, NULL, no_answer, NULL);
    record_closer_watch(g, row.site, u.r->id, row.epoch); /* no gateway may have it in memory */
    queue_wanted(u.r, remote, row.epoch);
}

void remote_delete_unlocated(struct request *r, const struct err *why)
{
    struct unlocated *u = mem_alloc(sizeof(*u));
    u->r = r;
    u->why = *why;
    if (why->code == ERR_SITE_UNREACHABLE) {
        route_record_get(r->g->routes, r->id, on_record, u);
        return;
    }
    free(u);
    request_problem(r, why);
}
