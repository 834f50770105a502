#include "gateway/ending.h"

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "clusters/kube_client.h"
#include "clusters/kube_store.h"
#include "gateway/agent_call.h"
#include "gateway/execution_census.h"
#include "gateway/gateway.h"
#include "gateway/gateway_metrics.h"
#include "gateway/lost_records.h"
#include "gateway/record_copy.h"
#include "gateway/remote_placement.h"
#include "gateway/remote_session.h"
#include "gateway/session_table.h"
#include "gateway/site_clock.h"
#include "gateway/store_damage.h"
#include "gateway/tender.h"
#include "router/peers.h"
#include "router/remote.h"
#include "router/result_store.h"
#include "router/route_record.h"

#include <stdio.h>
#include <stdlib.h>

#define CALL_MS           3000
#define RETRY_FIRST_MS    50
#define RETRY_MAX_MS      2000
#define AGENT_PATIENCE_MS 5000  /* how long a forced end asks an agent that does not answer */
#define DEADLINE_GRACE_MS 15000 /* results may still be copied behind the hard deadline */
#define REDELETE_MS       10000
#define POD_GRACE_S       2
#define LOST_LOOKS        3 /* looks for another gateway's tombstone before writing our own */

#define STEPS(X)                                                                                   \
    X(ENDING_STEP, QUIESCE,                                                                        \
      FSM_TO(ENDING_STEP_LIST) | FSM_TO(ENDING_STEP_LOOK) | FSM_TO(ENDING_STEP_TOMBSTONE))         \
    X(ENDING_STEP, LIST,                                                                           \
      FSM_TO(ENDING_STEP_COPY) | FSM_TO(ENDING_STEP_LOOK) | FSM_TO(ENDING_STEP_TOMBSTONE))         \
    X(ENDING_STEP, COPY, FSM_TO(ENDING_STEP_TOMBSTONE) | FSM_TO(ENDING_STEP_LOOK))                 \
    X(ENDING_STEP, LOOK,                                                                           \
      FSM_TO(ENDING_STEP_TOMBSTONE) | FSM_TO(ENDING_STEP_DELETE) | FSM_TO(ENDING_STEP_DONE))       \
    X(ENDING_STEP, TOMBSTONE, FSM_TO(ENDING_STEP_DELETE) | FSM_TO(ENDING_STEP_DONE))               \
    X(ENDING_STEP, DELETE, FSM_TO(ENDING_STEP_WAIT_GONE) | FSM_TO(ENDING_STEP_DONE))               \
    X(ENDING_STEP, WAIT_GONE, FSM_TO(ENDING_STEP_DELETE) | FSM_TO(ENDING_STEP_DONE))               \
    X(ENDING_STEP, DONE, 0)

enum ending_step { STEPS(FSM_ENUM) ENDING_STEP_COUNT };
static const struct fsm_state STEP_STATES[] = {STEPS(FSM_STATE)};
const struct fsm_table ENDING_FSM = {"ending", STEP_STATES, ENDING_STEP_COUNT};

struct cause {
    const char *word;
    bool forced, asks_agent, is_error;
    const char *message;
};
static const struct cause CAUSES[] = {
#define X(name, word, forced, agent, error, message) {word, forced, agent, error, message},
    ENDING_CAUSES(X)
#undef X
};

struct ending {
    struct gateway *g;
    struct session *s;
    enum ending_cause cause;
    struct fsm fsm;
    struct timer *timer;
    int64_t begun_ms, retry_ms;
    bool agreed;       /* the agent refuses what comes; its list is complete */
    bool learnt;       /* another gateway's tombstone says why it ended */
    bool silent_agent; /* given up asking it */
    bool moved;        /* another site has it now */
    int looks;
    struct agent_call *call;
    struct execution_census *census;
    struct record_copy *copy;
    struct kube_call *kube;
    bool in_store;                      /* a callback of the result store will come */
    bool dead;                          /* to be freed by it */
    struct json_t *executions, *let_go; /* as the agent told them */
    bool complete;
    struct json_t *unstored;
    struct tombstone *tomb;
};

static void step(struct ending *e);

static enum ending_step step_of(const struct ending *e)
{
    return (enum ending_step)e->fsm.state;
}

const char *ending_state(const struct ending *e)
{
    return fsm_state_name(&e->fsm);
}

static int64_t now_ms(const struct ending *e)
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

void ending_free(struct ending **e)
{
    if (*e)
        dispose(*e);
    *e = NULL;
}

static void go(struct ending *e, enum ending_step to)
{
    fsm_move(&e->fsm, (int)to);
    e->retry_ms = RETRY_FIRST_MS;
    step(e);
}

static void retry(struct ending *e)
{
    timer_start(e->g->world, e->timer, e->retry_ms, 0);
    e->retry_ms = e->retry_ms * 2 < RETRY_MAX_MS ? e->retry_ms * 2 : RETRY_MAX_MS;
}

static void on_timer(void *user)
{
    struct ending *e = user;
    if (step_of(e) == ENDING_STEP_WAIT_GONE && !e->s->pod_gone)
        fsm_move(&e->fsm, ENDING_STEP_DELETE); /* it waits too long: ask again */
    step(e);
}

static bool past_grace(const struct ending *e)
{
    return session_left_ms(e->s, now_ms(e), site_clock_ms(e->g)) < -DEADLINE_GRACE_MS;
}

/* The agent cannot be asked any more, or need not be. */
static bool agent_is_out(const struct ending *e)
{
    return e->s->pod_gone || e->s->pod_over || e->silent_agent;
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
        KV("took_ms", now_ms(e) - e->begun_ms));
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
static void abandon(struct ending *e)
{
    struct gateway *g = e->g;
    struct session *s = session_ref(e->s);
    s->reason[0] = '\0';
    s->refused_ms = now_ms(e);
    dispose(e);
    tender_start(g, s);
    session_table_changed(g->sessions, s);
    session_unref(s);
}

/* -- QUIESCE -- */

static void show_stopping(struct ending *e)
{
    if (session_state(e->s) != SESSION_STOPPING)
        fsm_move(&e->s->fsm, SESSION_STOPPING);
    session_table_changed(e->g->sessions, e->s);
}

static void agent_failed(struct ending *e)
{
    bool forced = CAUSES[e->cause].forced;
    if (!forced && step_of(e) == ENDING_STEP_QUIESCE) {
        abandon(e); /* an agent that does not answer is left alone until the hard deadline */
        return;
    }
    if ((forced && now_ms(e) - e->begun_ms > AGENT_PATIENCE_MS) || past_grace(e))
        e->silent_agent = true;
    retry(e);
}

static void on_quiesced(int status, struct slice body, const struct err *err, void *user)
{
    struct ending *e = user;
    struct session_activity activity;
    struct err bad;
    e->call = NULL;
    if (!err && status == 409 && !CAUSES[e->cause].forced) {
        abandon(e);
        return;
    }
    if (err || status != 200 || session_activity_parse(&activity, body, &bad) < 0) {
        agent_failed(e);
        return;
    }
    e->agreed = true;
    e->unstored = json_ref(activity.unstored);
    session_see_activity(e->s, &activity, now_ms(e), site_clock_ms(e->g));
    show_stopping(e);
    go(e, ENDING_STEP_LIST);
}

static void ask_consent(struct ending *e)
{
    char body[160];
    bool forced = CAUSES[e->cause].forced;
    int64_t idle_ms = e->cause == ENDING_COMPLETION ? e->s->spec.linger_ms
                      : e->cause == ENDING_UNUSED   ? 0
                                                    : e->s->spec.idle_ms;
    if (forced)
        snprintf(body, sizeof(body), "{\"epoch\":\"%s\",\"force\":true,\"cause\":\"%s\"}",
                 e->s->epoch, CAUSES[e->cause].word);
    else
        snprintf(body, sizeof(body), "{\"epoch\":\"%s\",\"if_idle_ms\":%lld}", e->s->epoch,
                 (long long)idle_ms);
    const struct agent_call_request req = {.method = HTTP_METHOD_POST,
                                           .target = "/v1/quiesce",
                                           .body = slice_of(body),
                                           .total_ms = CALL_MS};
    e->call = agent_call_start(e->g, e->s, &req, on_quiesced, e);
}

static void step_quiesce(struct ending *e)
{
    if (agent_is_out(e) || !CAUSES[e->cause].asks_agent) {
        go(e, ENDING_STEP_LOOK);
    } else if (session_never_was_ready(e->s)) {
        e->agreed = true; /* nothing can have been submitted to a pod that never was ready */
        go(e, e->s->placed_here ? ENDING_STEP_TOMBSTONE : ENDING_STEP_LOOK);
    } else {
        ask_consent(e);
    }
}

/* -- LIST, COPY -- */

/* Without a whole list the tombstone says what is known, and that it may not be all. */
static void on_told(const struct execution_told *told, const struct err *err, void *user)
{
    struct ending *e = user;
    e->census = NULL;
    if (err) {
        agent_failed(e);
        return;
    }
    e->executions = json_ref(told->kept);
    e->let_go = json_ref(told->let_go);
    e->complete = told->complete;
    go(e, ENDING_STEP_COPY);
}

static void step_list(struct ending *e)
{
    if (agent_is_out(e))
        go(e, ENDING_STEP_LOOK);
    else
        e->census = execution_census_start(e->g, e->s, on_told, e);
}

static void on_copied(const struct err *err, void *user)
{
    struct ending *e = user;
    e->copy = NULL;
    if (!err) {
        go(e, ENDING_STEP_TOMBSTONE);
        return;
    }
    /* The store is down, or the agent: results are waited for until the hard deadline. */
    LOG(LOG_WARN, "result_copy_failed", KV("session", e->s->id), KV("error", err->msg));
    if (past_grace(e))
        go(e, ENDING_STEP_TOMBSTONE);
    else
        retry(e);
}

static void step_copy(struct ending *e)
{
    if (agent_is_out(e))
        go(e, ENDING_STEP_LOOK);
    else
        e->copy = record_copy_start(e->g, e->s, e->unstored, on_copied, e);
}

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
    e->in_store = false;
    if (e->dead) {
        free_now(e);
        return;
    }
    struct tombstone *found = value ? tombstone_parse(e->s->id, *value, &bad) : NULL;
    if (value && !found) /* ours takes its place */
        store_damage_note(e->g, "tombstone", e->s->id);
    if (found && strcmp(found->epoch, e->s->epoch) == 0) {
        e->tomb = found;
        e->learnt = true;
        e->agreed = found->agreed;
        snprintf(e->s->reason, sizeof(e->s->reason), "%s",
                 json_get_text(found->view, "reason", e->s->reason));
        go(e, e->s->pod_gone ? ENDING_STEP_DONE : ENDING_STEP_DELETE);
        return;
    }
    tombstone_free(&found);
    bool ours = !e->s->pod_gone || peers_own_duty(e->g->peers, e->s->id);
    if (has_successor(e) || (e->moved && e->s->pod_gone))
        go(e, ENDING_STEP_DONE);
    else if (e->moved && session_never_was_ready(e->s)) /* as this gateway sees it, late */
        go(e, ENDING_STEP_DELETE);
    else if ((ours && (!err || session_never_was_ready(e->s))) || ++e->looks >= LOST_LOOKS)
        go(e, ENDING_STEP_TOMBSTONE);
    else
        timer_start(e->g->world, e->timer, 1000, 0);
}

/* Another life of the session, at another site: it was moved there before it was ready, and has
 * perhaps ended there meanwhile. An earlier one, over when this began, is none. */
static bool has_moved(const struct ending *e, const struct route_record *there)
{
    bool is_later = !session_is_started(e->s) && !e->s->spec.again;
    return strcmp(there->epoch, e->s->epoch) != 0 &&
           (there->state != ROUTE_GONE || (route_record_has_lived(there) && is_later));
}

static void on_routed(const struct route_answer *a, const struct err *err, void *user)
{
    struct ending *e = user;
    if (e->dead) {
        free_now(e);
        return;
    }
    e->moved = !err && a->found && has_moved(e, &a->record);
    result_store_get_tombstone(e->g->results, e->s->id, on_looked, e);
}

static void step_look(struct ending *e)
{
    show_stopping(e);
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
    return CAUSES[e->cause].is_error && strcmp(e->s->reason, "deadline") != 0;
}

static void make_tombstone(struct ending *e)
{
    char at[32];
    if (e->tomb)
        return;
    show_stopping(e);
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
    go(e, e->s->pod_gone ? ENDING_STEP_DONE : ENDING_STEP_DELETE);
}

static void on_remembered(const struct slice *value, const struct err *err, void *user)
{
    struct ending *e = user;
    (void)value;
    e->in_store = false;
    if (e->dead) {
        free_now(e);
        return;
    }
    /* Without executions nothing can be run twice or lost: this gateway's memory will do. */
    bool needed = json_count(e->tomb->executions) > 0 && !e->s->pod_gone;
    if (err && needed && !past_grace(e))
        retry(e);
    else
        after_tombstone(e);
}

static void step_tombstone(struct ending *e)
{
    struct buf text;
    make_tombstone(e);
    buf_init(&text, TOMBSTONE_BYTES_MAX);
    tombstone_print(e->tomb, &text);
    e->in_store = true;
    result_store_put_tombstone(e->g->results, e->s->id, buf_slice(&text), on_remembered, e);
    buf_fini(&text);
}

/* -- DELETE, WAIT_GONE -- */

static void on_deleted(const struct kube_result *r, void *user)
{
    struct ending *e = user;
    e->kube = NULL;
    bool gone = r->err && (r->err->code == ERR_NOT_FOUND || r->err->code == ERR_CONFLICT);
    if (r->err && !gone) {
        LOG(LOG_WARN, "pod_delete_failed", KV("session", e->s->id), KV("error", r->err->msg));
        retry(e);
        return;
    }
    if (!r->err) {
        gateway_metrics_pod_deleted(e->g->metrics, e->s->reason);
        LOG(LOG_INFO, "pod_deleted", KV("session", e->s->id), KV("cause", e->s->reason));
    }
    if (gone)
        e->s->pod_gone = true;
    go(e, e->s->pod_gone ? ENDING_STEP_DONE : ENDING_STEP_WAIT_GONE);
}

static void step_delete(struct ending *e)
{
    if (e->s->pod_gone || !*e->s->pod_uid)
        go(e, ENDING_STEP_DONE);
    else
        e->kube =
            kube_pod_delete(e->g->kube, e->s->pod_name, e->s->pod_uid, POD_GRACE_S, on_deleted, e);
}

static void step_wait_gone(struct ending *e)
{
    if (e->s->pod_gone)
        go(e, ENDING_STEP_DONE);
    else
        timer_start(e->g->world, e->timer, REDELETE_MS, 0);
}

static void step(struct ending *e)
{
    static void (*const WORK[])(struct ending * e) = {
        [ENDING_STEP_QUIESCE] = step_quiesce,     [ENDING_STEP_LIST] = step_list,
        [ENDING_STEP_COPY] = step_copy,           [ENDING_STEP_LOOK] = step_look,
        [ENDING_STEP_TOMBSTONE] = step_tombstone, [ENDING_STEP_DELETE] = step_delete,
        [ENDING_STEP_WAIT_GONE] = step_wait_gone, [ENDING_STEP_DONE] = close_session,
    };
    timer_stop(e->g->world, e->timer);
    WORK[step_of(e)](e);
}

/* -- from outside -- */

static void set_reason(struct ending *e)
{
    struct session *s = e->s;
    const struct cause *c = &CAUSES[e->cause];
    bool by_pod = c->is_error && *s->pod_trouble;
    bool late = session_left_ms(s, now_ms(e), site_clock_ms(e->g)) <= 0;
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

/* Another cause while one is being worked on: what is forced wins over what asks. */
static void escalate(struct ending *e, enum ending_cause cause)
{
    if (CAUSES[cause].forced && !CAUSES[e->cause].forced && step_of(e) == ENDING_STEP_QUIESCE) {
        e->cause = cause;
        e->begun_ms = now_ms(e);
        set_reason(e);
        show_stopping(e);
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
        show_stopping(e);
    fsm_init(&e->fsm, &ENDING_FSM,
             CAUSES[cause].asks_agent ? ENDING_STEP_QUIESCE : ENDING_STEP_LOOK);
    step(e);
}

void ending_poke(struct ending *e)
{
    if (step_of(e) == ENDING_STEP_WAIT_GONE) {
        if (e->s->pod_gone)
            step(e);
    } else if (step_of(e) <= ENDING_STEP_COPY && agent_is_out(e)) {
        stop_work(e);
        step(e);
    }
}
