#include "gateway/ending_machine.h"

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "clusters/kube_client.h"
#include "clusters/kube_store.h"
#include "gateway/agent_call.h"
#include "gateway/execution_census.h"
#include "gateway/gateway.h"
#include "gateway/gateway_metrics.h"
#include "gateway/record_copy.h"
#include "gateway/remote_placement.h"
#include "gateway/remote_session.h"
#include "gateway/session_sync.h"
#include "gateway/session_table.h"
#include "gateway/site_clock.h"
#include "gateway/tender.h"

#include <stdio.h>
#include <stdlib.h>

#define RETRY_FIRST_MS    50
#define RETRY_MAX_MS      2000
#define DEADLINE_GRACE_MS 15000 /* results may still be copied behind the hard deadline */
#define REDELETE_MS       10000
#define POD_GRACE_S       2

static const struct fsm_state STEP_STATES[] = {ENDING_STEPS(FSM_STATE)};
const struct fsm_table ENDING_FSM = {"ending", STEP_STATES, ENDING_STEP_COUNT};

static const struct ending_rules CAUSES[] = {
#define X(name, word, forced, agent, error, message) {word, forced, agent, error, message},
    ENDING_CAUSES(X)
#undef X
};

static void step(struct ending *e);

const struct ending_rules *ending_rules(const struct ending *e)
{
    return &CAUSES[e->cause];
}

enum ending_step ending_step_now(const struct ending *e)
{
    return (enum ending_step)e->fsm.state;
}

const char *ending_state(const struct ending *e)
{
    return fsm_state_name(&e->fsm);
}

int64_t ending_now_ms(const struct ending *e)
{
    return world_now_ms(e->g->world);
}

static void stop_work(struct ending *e)
{
    agent_call_cancel(&e->call);
    execution_census_cancel(&e->census);
    record_copy_cancel(&e->copy);
    if (e->kube)
        kube_call_cancel(&e->kube);
    timer_stop(e->g->world, e->timer);
}

static void free_now(struct ending *e)
{
    timer_free(e->g->world, &e->timer);
    tombstone_free(&e->tomb);
    json_free(e->executions);
    json_free(e->let_go);
    json_free(e->unstored);
    session_unref(e->s);
    free(e);
}

static void dispose(struct ending *e)
{
    stop_work(e);
    e->s->ending = NULL;
    if (e->in_store)
        e->dead = true;
    else
        free_now(e);
}

bool ending_goes_on(struct ending *e)
{
    bool dead = e->dead;
    e->in_store = false;
    if (dead)
        free_now(e);
    return !dead;
}

void ending_free(struct ending **e)
{
    if (*e)
        dispose(*e);
    *e = NULL;
}

void ending_go(struct ending *e, enum ending_step to)
{
    fsm_move(&e->fsm, (int)to);
    e->retry_ms = RETRY_FIRST_MS;
    step(e);
}

void ending_retry(struct ending *e)
{
    timer_start(e->g->world, e->timer, e->retry_ms, 0);
    e->retry_ms = e->retry_ms * 2 < RETRY_MAX_MS ? e->retry_ms * 2 : RETRY_MAX_MS;
}

static void on_timer(void *user)
{
    struct ending *e = user;
    if (ending_step_now(e) == ENDING_STEP_WAIT_GONE && !e->s->pod_gone)
        fsm_move(&e->fsm, ENDING_STEP_DELETE); /* it waits too long: ask again */
    step(e);
}

bool ending_past_grace(const struct ending *e)
{
    return session_left_ms(e->s, ending_now_ms(e), site_clock_ms(e->g)) < -DEADLINE_GRACE_MS;
}

/* The agent cannot be asked any more, or need not be. */
bool ending_agent_is_out(const struct ending *e)
{
    return e->s->pod_gone || e->s->pod_over || e->silent_agent;
}

void ending_show_stopping(struct ending *e)
{
    if (session_state(e->s) != SESSION_STOPPING)
        fsm_move(&e->s->fsm, SESSION_STOPPING);
    session_table_changed(e->g->sessions, e->s);
}

/* -- the end of the end -- */

static void close_session(struct ending *e)
{
    struct gateway *g = e->g;
    struct session *s = session_ref(e->s);
    struct tombstone *tomb = e->tomb;
    const char *word = json_get_text(tomb ? tomb->view : NULL, "status", "stopped");
    e->tomb = NULL;
    /* Where another gateway ended it, that one has said so. */
    LOG(e->learnt ? LOG_DEBUG : LOG_INFO, "session_ended", KV("session", s->id),
        KV("reason", s->reason), KV("status", word), KV("agreed", e->agreed),
        KV("took_ms", ending_now_ms(e) - e->begun_ms));
    fsm_move(&s->fsm, slice_eq(slice_of(word), "error") ? SESSION_ERROR : SESSION_STOPPED);
    dispose(e);
    session_table_remove(g->sessions, s, tomb);
    session_unref(s);
}

void ending_supersede(struct gateway *g, struct session *s)
{
    session_ref(s);
    remote_session_free(&s->remote); /* what its record says is not ours to change */
    tender_free(&s->tender);
    ending_free(&s->ending);
    remote_placement_free(&s->handover); /* or it goes on with a session that nobody holds */
    if (session_state(s) != SESSION_STOPPING)
        fsm_move(&s->fsm, SESSION_STOPPING);
    fsm_move(&s->fsm, SESSION_STOPPED);
    s->superseded = true;
    session_table_remove(g->sessions, s, NULL);
    session_unref(s);
}

/* The agent has work: the session lives on. */
void ending_abandon(struct ending *e)
{
    struct gateway *g = e->g;
    struct session *s = session_ref(e->s);
    s->reason[0] = '\0';
    s->refused_ms = ending_now_ms(e);
    dispose(e);
    tender_start(g, s);
    session_table_changed(g->sessions, s);
    session_unref(s);
}

/* -- WITHDRAW: what did not come up goes as it was seen. It may come up just now, and another
 * gateway take it into use: then the session lives on -- */

static void take_back(struct ending *e)
{
    struct gateway *g = e->g;
    struct session *s = session_ref(e->s);
    LOG(LOG_INFO, "session_came_up", KV("session", s->id));
    ending_supersede(g, s);
    session_sync_again(g, s->id);
    session_unref(s);
}

/* What the store learns the session sees: a pod of another incarnation is the end of this one. */
static void learn(struct ending *e, const struct json_t *pod)
{
    struct session *s = session_ref(e->s);
    kube_store_learn(e->g->store, pod);
    if (s->ending == e)
        step(e);
    session_unref(s);
}

static void on_seen_again(const struct kube_result *r, void *user)
{
    struct ending *e = user;
    e->kube = NULL;
    bool gone = r->err && r->err->code == ERR_NOT_FOUND;
    if (gone)
        e->s->pod_gone = true;
    if (!r->err)
        learn(e, r->object);
    else if (gone)
        step(e);
    else
        ending_retry(e);
}

/* Nothing can have been submitted to what was removed before it was ready. */
static void on_withdrawn(const struct kube_result *r, void *user)
{
    struct ending *e = user;
    e->kube = NULL;
    if (!r->err) {
        e->agreed = true;
        ending_go(e, e->s->placed_here ? ENDING_STEP_TOMBSTONE : ENDING_STEP_LOOK);
    } else if (r->err->code == ERR_CONFLICT || r->err->code == ERR_NOT_FOUND) {
        e->kube = kube_pod_get(e->g->kube, e->s->pod_name, on_seen_again, e);
    } else {
        ending_retry(e);
    }
}

static void step_withdraw(struct ending *e)
{
    const struct kube_pod *pod = kube_store_session(e->g->store, e->s->id);
    bool is_there = pod && strcmp(pod->uid, e->s->pod_uid) == 0;
    if (!is_there || ending_agent_is_out(e))
        ending_go(e, ENDING_STEP_LOOK); /* it went by another's hand, or by itself */
    else if (e->s->pod_ready && e->cause == ENDING_START_FAILED)
        take_back(e);
    else if (!session_never_was_ready(e->s))
        ending_go(e, ENDING_STEP_QUIESCE); /* there is somebody to ask now */
    else
        e->kube = kube_pod_delete(e->g->kube, pod->name, pod->uid, pod->resource_version,
                                  POD_GRACE_S, on_withdrawn, e);
}

/* -- DELETE, WAIT_GONE -- */

static void on_deleted(const struct kube_result *r, void *user)
{
    struct ending *e = user;
    e->kube = NULL;
    bool gone = r->err && (r->err->code == ERR_NOT_FOUND || r->err->code == ERR_CONFLICT);
    if (r->err && !gone) {
        LOG(LOG_WARN, "pod_delete_failed", KV("session", e->s->id), KV("error", r->err->msg));
        ending_retry(e);
        return;
    }
    if (!r->err) {
        gateway_metrics_pod_deleted(e->g->metrics, e->s->reason);
        LOG(LOG_INFO, "pod_deleted", KV("session", e->s->id), KV("cause", e->s->reason));
    }
    if (gone)
        e->s->pod_gone = true;
    ending_go(e, e->s->pod_gone ? ENDING_STEP_DONE : ENDING_STEP_WAIT_GONE);
}

static void step_delete(struct ending *e)
{
    if (e->s->pod_gone || !*e->s->pod_uid)
        ending_go(e, ENDING_STEP_DONE);
    else
        e->kube = kube_pod_delete(e->g->kube, e->s->pod_name, e->s->pod_uid, NULL, POD_GRACE_S,
                                  on_deleted, e);
}

static void step_wait_gone(struct ending *e)
{
    if (e->s->pod_gone)
        ending_go(e, ENDING_STEP_DONE);
    else
        timer_start(e->g->world, e->timer, REDELETE_MS, 0);
}

static void step(struct ending *e)
{
    static void (*const WORK[])(struct ending * e) = {
        [ENDING_STEP_QUIESCE] = ending_step_quiesce,
        [ENDING_STEP_LIST] = ending_step_list,
        [ENDING_STEP_COPY] = ending_step_copy,
        [ENDING_STEP_WITHDRAW] = step_withdraw,
        [ENDING_STEP_LOOK] = ending_step_look,
        [ENDING_STEP_TOMBSTONE] = ending_step_tombstone,
        [ENDING_STEP_DELETE] = step_delete,
        [ENDING_STEP_WAIT_GONE] = step_wait_gone,
        [ENDING_STEP_DONE] = close_session,
    };
    timer_stop(e->g->world, e->timer);
    WORK[ending_step_now(e)](e);
}

/* -- from outside -- */

static void set_reason(struct ending *e)
{
    struct session *s = e->s;
    const struct ending_rules *c = &CAUSES[e->cause];
    bool by_pod = c->is_error && *s->pod_trouble;
    bool late = session_left_ms(s, ending_now_ms(e), site_clock_ms(e->g)) <= 0;
    if (c->is_error && late && session_is_started(s) && strcmp(s->pod_trouble, "oom_killed") != 0) {
        /* The agent's own timer, or the cluster's backstop, was faster than ours. */
        c = &CAUSES[ENDING_DEADLINE];
        by_pod = false;
    }
    snprintf(s->reason, sizeof(s->reason), "%s", by_pod ? s->pod_trouble : c->word);
    session_set_text(&s->message, by_pod && s->pod_message ? s->pod_message : c->message);
    if (e->cause == ENDING_PACKAGES && s->activity.setup) {
        char text[SESSION_MESSAGE_SIZE];
        snprintf(text, sizeof(text), "%.48s: %.200s", c->message, s->activity.setup);
        session_set_text(&s->message, text);
    }
}

/* Another cause while one is being worked on: what is forced wins over what asks, and what was to
 * be given up before it was ready does not live on when its client or its deadline ends it. */
static void escalate(struct ending *e, enum ending_cause cause)
{
    bool is_final = cause == ENDING_DELETED || cause == ENDING_DEADLINE;
    if (is_final && ending_step_now(e) == ENDING_STEP_WITHDRAW) {
        e->cause = cause;
        set_reason(e);
        ending_show_stopping(e);
    } else if (CAUSES[cause].forced && !ending_rules(e)->forced &&
               ending_step_now(e) == ENDING_STEP_QUIESCE) {
        e->cause = cause;
        e->begun_ms = ending_now_ms(e);
        set_reason(e);
        ending_show_stopping(e);
        stop_work(e);
        step(e);
    } else {
        ending_poke(e);
    }
}

void ending_start(struct gateway *g, struct session *s, enum ending_cause cause)
{
    if (session_is_over(s) || s->handover) /* what is on its way elsewhere ends there, or fails */
        return;
    if (s->ending) {
        escalate(s->ending, cause);
        return;
    }
    struct ending *e = mem_alloc(sizeof(*e));
    e->g = g;
    e->s = session_ref(s);
    e->cause = cause;
    e->timer = timer_new(g->world, on_timer, e);
    e->begun_ms = world_now_ms(g->world);
    e->retry_ms = RETRY_FIRST_MS;
    s->ending = e;
    tender_free(&s->tender);
    set_reason(e);
    LOG(cause == ENDING_POD_GONE ? LOG_DEBUG : LOG_INFO, "session_ending", KV("session", s->id),
        KV("reason", s->reason));
    if (CAUSES[cause].forced)
        ending_show_stopping(e);
    fsm_init(&e->fsm, &ENDING_FSM,
             CAUSES[cause].asks_agent ? ENDING_STEP_QUIESCE : ENDING_STEP_LOOK);
    step(e);
}

void ending_poke(struct ending *e)
{
    if (ending_step_now(e) == ENDING_STEP_WAIT_GONE) {
        if (e->s->pod_gone)
            step(e);
    } else if (ending_step_now(e) <= ENDING_STEP_COPY && ending_agent_is_out(e)) {
        stop_work(e);
        step(e);
    }
}
