#include "gateway/stray_check.h"

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/world.h"
#include "clusters/kube_object.h"
#include "gateway/gateway.h"
#include "gateway/session.h"
#include "gateway/session_table.h"
#include "gateway/tombstone.h"
#include "router/remote.h"
#include "router/result_store.h"
#include "router/route_record.h"

#include <stdio.h>
#include <stdlib.h>

#define CALL_MS   3000
#define STARTS_MS 5000 /* a gateway that made a pod starts its agent within that, or never */

struct stray_check {
    struct gateway *g;
    struct session *s; /* referenced */
    int waiting;       /* answers of the store */
    bool routed, outlived;
    bool early; /* Redis is just back: the record may be still to be written */
    struct route_record record;
    struct remote_call *call;
    bool cancelled;
    stray_check_f *done;
    void *user;
};

static bool may_be_elsewhere(const struct gateway *g, const struct session *s)
{
    return remotes_count(g->remotes) > 0 && !*s->spec.origin;
}

/* Its own maker asks, too: a create can be carried out long after it was sent, when another
 * gateway's session of that name has run and ended. Who began it knowing of an earlier life looks
 * at what ran then. */
static bool may_be_outlived(const struct session *s)
{
    return !s->spec.again;
}

bool stray_check_needed(const struct gateway *g, const struct session *s)
{
    return may_be_elsewhere(g, s) || may_be_outlived(s);
}

static void free_check(struct stray_check *c)
{
    session_unref(c->s);
    free(c);
}

static void end(struct stray_check *c, enum stray_check_verdict v)
{
    if (v == STRAY_CHECK_YES)
        LOG(LOG_WARN, "pod_is_stray", KV("session", c->s->id),
            KV("epoch", (const char *)c->s->epoch), KV("outlived", c->outlived));
    c->done(v, c->user);
    free_check(c);
}

static void note_closed(const struct route_answer *a, const struct err *err, void *user)
{
    (void)a;
    (void)err;
    (void)user;
}

/* It ended there, and whoever should have closed its record did not. */
static void close_record(const struct stray_check *c)
{
    struct route_record row = c->record;
    row.state = ROUTE_GONE;
    route_record_write(c->g->routes, c->s->id, &row, NULL, note_closed, NULL);
}

/* The session was decided before that life ended: what began behind it knows of it, or is another's
 * beginning just now. */
static bool was_decided_before(const struct stray_check *c, const struct json_t *view)
{
    int64_t ended_ms = 0;
    const char *text = json_get_text(view, "ended_at", "");
    return kube_time_parse(text, &ended_ms) && c->s->created_wall_ms < ended_ms;
}

static bool is_old(const struct stray_check *c)
{
    return world_now_ms(c->g->world) - c->s->created_ms > STARTS_MS;
}

/* Unless whoever made it is just about to start it. */
static enum stray_check_verdict outlived_verdict(const struct stray_check *c)
{
    return is_old(c) ? STRAY_CHECK_YES : STRAY_CHECK_UNSETTLED;
}

static void on_asked(const struct remote_result *result, void *user)
{
    struct stray_check *c = user;
    struct err bad;
    c->call = NULL;
    struct json_t *words = result->status == 200 ? json_parse_object(result->body, &bad) : NULL;
    if (!words && result->status != 404) {
        end(c, STRAY_CHECK_UNSETTLED);
        return;
    }
    bool lives = json_true(json_get(words, "living"));
    c->outlived |= may_be_outlived(c->s) &&
                   was_decided_before(c, json_at(words, "tombstone", "session", NULL));
    json_free(words);
    if (!lives)
        close_record(c);
    end(c, lives ? STRAY_CHECK_YES : c->outlived ? outlived_verdict(c) : STRAY_CHECK_NO);
}

static void ask_site(struct stray_check *c, struct remote *remote)
{
    char target[128];
    snprintf(target, sizeof(target), "/internal/v1/sessions/%s", c->s->id);
    const struct remote_request req = {.operation = "lookup",
                                       .method = "GET",
                                       .target = target,
                                       .tenant = c->record.tenant,
                                       .total_ms = CALL_MS,
                                       .reply_max = (size_t)1024 * 1024};
    c->call = remote_call_start(remote, &req, on_asked, c);
}

static void judge(struct stray_check *c)
{
    struct remote *remote = c->routed ? remotes_get(c->g->remotes, c->record.site) : NULL;
    bool ended = c->record.state == ROUTE_GONE;
    bool was_there = ended && route_record_has_lived(&c->record);
    bool just_made = c->s->placed_here && !is_old(c); /* the record does not say when that was */
    if (remote && was_there && !just_made)
        c->outlived |= may_be_outlived(c->s);
    if (c->outlived)
        end(c, outlived_verdict(c));
    else if (!remote && c->early)
        end(c, STRAY_CHECK_UNSETTLED);
    else if (!remote || ended)
        end(c, STRAY_CHECK_NO);
    else if (c->record.state == ROUTE_PENDING)
        end(c, STRAY_CHECK_UNSETTLED);
    else
        ask_site(c, remote);
}

static void took_answer(struct stray_check *c)
{
    if (--c->waiting > 0)
        return;
    if (c->cancelled)
        free_check(c);
    else
        judge(c);
}

/* Without Redis, or before it was told, this gateway may know by itself where the session is. */
static bool remembers(const struct stray_check *c, struct route_record *out)
{
    const struct session *known = session_table_get(c->g->sessions, c->s->id);
    if (!known || !known->remote || strcmp(known->epoch, c->s->epoch) == 0)
        return false;
    *out = (struct route_record){.state = ROUTE_ACTIVE};
    snprintf(out->site, sizeof(out->site), "%s", known->site);
    snprintf(out->epoch, sizeof(out->epoch), "%s", known->epoch);
    snprintf(out->tenant, sizeof(out->tenant), "%s", known->tenant);
    return true;
}

static void on_record(const struct route_answer *a, const struct err *err, void *user)
{
    struct stray_check *c = user;
    bool found = !err && a->found && strcmp(a->record.site, c->g->conf.site) != 0;
    if (found)
        c->record = a->record;
    c->routed = found ? strcmp(a->record.epoch, c->s->epoch) != 0 : remembers(c, &c->record);
    bool unwritten = !err && (!a->settled || (a->complete && !a->sure));
    c->early = unwritten && !found && !c->s->placed_here;
    took_answer(c);
}

static void on_tombstone(const struct slice *value, const struct err *err, void *user)
{
    struct stray_check *c = user;
    struct err bad;
    struct tombstone *t = value ? tombstone_parse(c->s->id, *value, &bad) : NULL;
    (void)err;
    c->outlived =
        t && was_decided_before(c, t->view); /* its own, too: a create that was tried twice */
    tombstone_free(&t);
    took_answer(c);
}

struct stray_check *stray_check_start(struct gateway *g, struct session *s, stray_check_f *done,
                                      void *user)
{
    struct stray_check *c = mem_alloc(sizeof(*c));
    *c = (struct stray_check){.g = g, .s = session_ref(s), .done = done, .user = user};
    c->waiting = may_be_elsewhere(g, s) + may_be_outlived(s);
    INVARIANT(c->waiting > 0);
    if (may_be_elsewhere(g, s))
        route_record_get(g->routes, s->id, on_record, c);
    if (may_be_outlived(s))
        result_store_get_tombstone(g->results, s->id, on_tombstone, c);
    return c;
}

void stray_check_cancel(struct stray_check **at)
{
    struct stray_check *c = *at;
    *at = NULL;
    if (!c)
        return;
    remote_call_cancel(&c->call);
    if (c->waiting > 0)
        c->cancelled = true;
    else
        free_check(c);
}
