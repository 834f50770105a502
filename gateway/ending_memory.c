#include "gateway/ending_machine.h"

#include "base/json.h"
#include "clusters/kube_store.h"
#include "gateway/gateway.h"
#include "gateway/lost_records.h"
#include "gateway/session.h"
#include "gateway/site_clock.h"
#include "gateway/store_damage.h"
#include "gateway/tombstone.h"
#include "router/peers.h"
#include "router/remote.h"
#include "router/result_store.h"
#include "router/route_record.h"

#include <stdio.h>

#define STORE_PATIENCE_MS 15000
#define LOST_LOOKS        3 /* looks for another gateway's tombstone before writing our own */

/* -- LOOK: the pod went without us; perhaps another gateway ended it and said why -- */

static bool has_successor(const struct ending *e)
{
    const struct kube_pod *pod = kube_store_session(e->g->store, e->s->id);
    return pod && strcmp(pod->marks.epoch, e->s->epoch) != 0;
}

static void on_looked(const struct slice *value, const struct err *err, void *user)
{
    struct ending *e = user;
    struct err bad;
    if (!ending_goes_on(e))
        return;
    struct tombstone *found = value ? tombstone_parse(e->s->id, *value, &bad) : NULL;
    if (value && !found) /* ours takes its place */
        store_damage_note(e->g, "tombstone", e->s->id);
    if (found && strcmp(found->epoch, e->s->epoch) == 0) {
        e->tomb = found;
        e->learnt = true;
        e->agreed = found->agreed;
        snprintf(e->s->reason, sizeof(e->s->reason), "%s",
                 json_get_text(found->view, "reason", e->s->reason));
        ending_go(e, e->s->pod_gone ? ENDING_STEP_DONE : ENDING_STEP_DELETE);
        return;
    }
    tombstone_free(&found);
    /* Who sees a pod first when it is over does not know that it never ran. */
    bool unseen = e->claimed && e->s->pod_over && !e->s->placed_here;
    bool ours = !e->s->pod_gone || peers_own_duty(e->g->peers, e->s->id);
    if (has_successor(e) || (e->moved && e->s->pod_gone))
        ending_go(e, ENDING_STEP_DONE);
    else if (e->moved && session_never_was_ready(e->s) && !unseen) /* as is seen here, late */
        ending_go(e, ENDING_STEP_DELETE);
    else if ((ours && (!err || session_never_was_ready(e->s))) || ++e->looks >= LOST_LOOKS)
        ending_go(e, ENDING_STEP_TOMBSTONE);
    else
        timer_start(e->g->world, e->timer, 1000, 0);
}

/* Another life of the session, at another site: it was moved there before it was ready, and has
 * perhaps ended there meanwhile. An earlier one, over when this began, is none, nor is one here. */
static bool has_moved(const struct ending *e, const struct route_record *there)
{
    bool is_later =
        !session_is_started(e->s) && !e->s->spec.again && strcmp(there->site, e->g->conf.site) != 0;
    return strcmp(there->epoch, e->s->epoch) != 0 &&
           (there->state != ROUTE_GONE || (route_record_has_lived(there) && is_later));
}

static void on_routed(const struct route_answer *a, const struct err *err, void *user)
{
    struct ending *e = user;
    if (!ending_goes_on(e))
        return;
    e->moved = !err && a->found && has_moved(e, &a->record);
    e->claimed = e->moved && a->record.state == ROUTE_PENDING;
    e->in_store = true;
    result_store_get_tombstone(e->g->results, e->s->id, on_looked, e);
}

void ending_step_look(struct ending *e)
{
    ending_show_stopping(e);
    /* Whoever writes the tombstone may never have heard of what ran through this gateway. */
    if (e->looks == 0 && (e->s->pod_gone || e->s->pod_over))
        lost_records_of_session(e->g, e->s);
    e->in_store = true;
    if (remotes_count(e->g->remotes) > 0)
        route_record_get(e->g->routes, e->s->id, on_routed, e);
    else
        result_store_get_tombstone(e->g->results, e->s->id, on_looked, e);
}

/* -- TOMBSTONE -- */

static bool ended_in_error(const struct ending *e)
{
    return ending_rules(e)->is_error && strcmp(e->s->reason, "deadline") != 0;
}

static void make_tombstone(struct ending *e)
{
    char at[32];
    if (e->tomb)
        return;
    ending_show_stopping(e);
    e->s->ended_wall_ms = site_clock_ms(e->g);
    bool complete = e->agreed && (e->complete || !session_is_started(e->s));
    e->tomb = tombstone_new(e->s, complete, e->executions, e->g->conf.site);
    e->executions = NULL;
    tombstone_set_let_go(e->tomb, e->let_go);
    kube_time_print(e->s->ended_wall_ms, at);
    json_set_text(e->tomb->view, "ended_at", at);
    json_set_text(e->tomb->view, "status", ended_in_error(e) ? "error" : "stopped");
}

static void after_tombstone(struct ending *e)
{
    lost_records_store(e->g, e->tomb);
    ending_go(e, e->s->pod_gone ? ENDING_STEP_DONE : ENDING_STEP_DELETE);
}

/* What it lists could run twice or be lost otherwise. A pod that went by itself may have run what
 * nobody lists, and of a life before this one nothing else may tell: that waits for the store for a
 * while only. */
static bool must_be_kept(const struct ending *e)
{
    const struct session *s = e->s;
    bool listed = json_count(e->tomb->executions) > 0 && !s->pod_gone && !ending_past_grace(e);
    bool unlisted = !e->tomb->agreed && (s->pod_over || !session_never_was_ready(s));
    bool patient = ending_now_ms(e) - e->begun_ms < STORE_PATIENCE_MS;
    return listed || ((unlisted || s->spec.again) && patient);
}

static void on_remembered(const struct slice *value, const struct err *err, void *user)
{
    struct ending *e = user;
    (void)value;
    if (!ending_goes_on(e))
        return;
    if (err && must_be_kept(e))
        ending_retry(e);
    else
        after_tombstone(e); /* this gateway's memory will do */
}

void ending_step_tombstone(struct ending *e)
{
    struct buf text;
    make_tombstone(e);
    buf_init(&text, TOMBSTONE_BYTES_MAX);
    tombstone_print(e->tomb, &text);
    e->in_store = true;
    result_store_put_tombstone(e->g->results, e->s->id, buf_slice(&text), on_remembered, e);
    buf_fini(&text);
}
