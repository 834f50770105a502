/* results_api.c - what came of executions: their results; and feeding them. */
#include "base/json.h"
#include "base/loop.h"
#include "gateway/agent_relay.h"
#include "gateway/executions_api.h"
#include "gateway/locate.h"
#include "gateway/remote_recall.h"
#include "gateway/request.h"
#include "gateway/result_reply.h"
#include "gateway/session_table.h"
#include "gateway/stray_pods.h"

#include <stdio.h>

#define CALL_MS        7000 /* less than nginx waits: who can say what happened answers */
#define STDIN_BODY_MAX ((int64_t)1024 * 1024)
#define LOST_MS        1000 /* for every gateway to store what it knew of a lost session */
#define LOST_EVERY_MS  100
#define HEARD_MS       1500 /* for an agent to say whether it has begun */

static void no_such_execution(struct request *r)
{
    request_problemf(r, ERR_EXECUTION_NOT_FOUND, "there is no execution '%s' in the session '%s'",
                     r->execution_id, r->id);
}

/* -- result -- */

static void sandbox_silent(struct request *r)
{
    request_problemf(r, ERR_UNAVAILABLE, "the sandbox does not answer");
}

/* A pod of the session that has just come up here may have run it for a gateway that knew at once:
 * it may not be used before it is known to be no stray, or is so since the question was put. */
static bool may_have_run_here(const struct request *r)
{
    const struct session *s = session_table_get(r->g->sessions, r->id);
    return stray_pods_has_session(r->g->strays, r->id) || (s && !s->remote && s != r->s);
}

static void result_unknown(struct request *r)
{
    if (may_have_run_here(r))
        sandbox_silent(r);
    else
        no_such_execution(r);
}

/* The site of its last life elsewhere answers, if it knows. */
static void pass_to_past(struct request *r)
{
    r->again_step = result_unknown;
    remote_recall_pass(r, result_unknown);
}

/* Of an earlier life of the session, at another site. */
static void result_elsewhere(struct request *r)
{
    snprintf(r->execution_id, sizeof(r->execution_id), "%s", r->query.execution_id);
    pass_to_past(r);
}

static void result_located(struct request *r, const struct located *where);

static void result_of_later(struct request *r)
{
    r->again_step = result_elsewhere;
    if (!request_locates_anew(r, result_located))
        result_elsewhere(r);
}

/* The site where it lives now, or lived last, does not know it: it is of an earlier life, here, or
 * of a later one. */
static void result_kept_here(struct request *r)
{
    result_reply_stored(r, r->query.execution_id, &r->query, result_of_later);
}

/* It ran, and its result is kept nowhere any more: that is all there is to say. */
static void result_expired(struct request *r)
{
    result_reply_lost(r, r->execution_id, &r->query);
}

/* The agent let it go when it was stored. */
static void result_let_go(struct request *r)
{
    snprintf(r->execution_id, sizeof(r->execution_id), "%s", r->query.execution_id);
    result_reply_stored(r, r->execution_id, &r->query, result_expired);
}

static void relay_result(struct request *r)
{
    char target[1024];
    struct err err;
    int64_t wait_ms = r->query.wait_s * 1000;
    if (agent_relay_target(r, "/v1/result", target, sizeof(target), &err) < 0) {
        request_problem(r, &err);
        return;
    }
    const struct agent_relay how = {
        .method = HTTP_METHOD_GET,
        .target = target,
        .head_ms = wait_ms + CALL_MS,
        .total_ms = wait_ms + 3 * CALL_MS,
        .if_gone = result_let_go,
        .if_unknown = r->s->spec.again && *r->query.execution_id ? result_elsewhere : NULL};
    agent_relay_start(r, r->s, &how);
}

/* The newest is this one, and it has ended: nobody need be asked. */
static const char *finished(const struct session *s, const struct result_query *q)
{
    if (*q->execution_id)
        return q->execution_id;
    bool sure = s->tender && s->activity.running == 0 &&
                strcmp(s->last_execution, s->activity.last_execution) == 0;
    return sure && *s->last_execution ? s->last_execution : NULL;
}

static void result_of_started(struct request *r)
{
    struct session *s = r->s;
    const struct result_query *q = &r->query;
    const char *eid = finished(s, q);
    /* Of an earlier session of this id: its agent is gone, its results are kept. */
    bool earlier = s->spec.again && *q->execution_id && !json_get(s->executions, q->execution_id);
    int64_t since_ms = s->spec.again ? 0 : s->created_ms;
    struct result_record *record = eid ? result_reply_cached(r, eid, since_ms) : NULL;
    if (record)
        result_reply_record(r, record, q);
    else if (earlier || (session_state(s) == SESSION_STOPPING && *s->last_execution))
        /* Its agent may go any moment; what had ended is in the store. */
        result_reply_stored(r, *q->execution_id ? q->execution_id : s->last_execution, q,
                            relay_result);
    else
        relay_result(r);
}

static void result_missing(struct request *r);
static void result_of_living(struct request *r);

/* The clients of another gateway may have used it already. */
static bool is_unheard(const struct request *r, const struct session *s)
{
    return s->activity_seen_ms < r->begun_ms && !session_is_going(s);
}

static void wait_to_hear(struct request *r)
{
    if (r->timed_out || !r->s->pod_ready) {
        sandbox_silent(r);
        return;
    }
    r->until_ms = r->begun_ms + HEARD_MS;
    request_wait(r, r->s, result_of_living);
}

/* Of a session that nothing was submitted to, as far as this gateway knows; in an earlier one of
 * this id there may have been, and what is asked of one that has a past is of that, most likely. */
static void result_of_unstarted(struct request *r)
{
    const struct session *s = r->s;
    snprintf(r->execution_id, sizeof(r->execution_id), "%s", r->query.execution_id);
    if (!is_unheard(r, s) || s->spec.again)
        result_reply_stored(r, r->execution_id, &r->query, result_missing);
    else
        wait_to_hear(r);
}

/* It ended while the call waited: what is left of it answers. */
static void result_of_past(struct request *r)
{
    session_unref(r->s);
    r->s = NULL;
    request_locate(r, result_located);
}

static void result_of_living(struct request *r)
{
    struct session *s = r->s;
    const struct result_query *q = &r->query;
    if (session_table_get(r->g->sessions, s->id) != s) {
        result_of_past(r);
    } else if (session_is_started(s) && !session_is_over(s)) {
        result_of_started(r);
    } else if (*q->execution_id) {
        result_of_unstarted(r);
    } else if (!request_hears(r)) {
        return;
    } else if (r->timed_out || q->wait_s == 0 || session_is_over(s)) {
        result_reply_pending(r, q);
    } else {
        r->until_ms = r->begun_ms + q->wait_s * 1000;
        request_wait(r, s, result_of_living);
    }
}

static void result_of_lost(struct request *r)
{
    r->timed_out = false;
    request_locate(r, result_located);
}

/* Another gateway may know it, and be about to say so. */
static bool may_be_told(const struct request *r)
{
    const struct session *s = session_table_get(r->g->sessions, r->id);
    const struct tombstone *t = session_table_tombstone(r->g->sessions, r->id);
    bool unsure = s ? session_is_going(s) : t && !t->agreed;
    return unsure && world_now_ms(r->g->world) - r->begun_ms < LOST_MS;
}

static void result_missing(struct request *r)
{
    const struct session *s = session_table_get(r->g->sessions, r->id);
    const struct tombstone *t = session_table_tombstone(r->g->sessions, r->id);
    bool may_be_over = t || (s && session_is_going(s));
    if (t && tombstone_knows(t, r->execution_id))
        result_reply_lost(r, r->execution_id, &r->query);
    else if (s && s == r->s && is_unheard(r, s))
        wait_to_hear(r);
    else if (s && is_unheard(r, s))
        sandbox_silent(r);
    else if (may_be_told(r))
        request_sleep(r, LOST_EVERY_MS, result_of_lost);
    else if (!may_be_over || !request_locates_anew(r, result_located)) /* of a later life? */
        pass_to_past(r);
}

static void result_of_ended(struct request *r, const struct tombstone *t)
{
    const struct result_query *q = &r->query;
    snprintf(r->execution_id, sizeof(r->execution_id), "%s",
             *q->execution_id ? q->execution_id : t->last_execution);
    if (*r->execution_id)
        result_reply_stored(r, r->execution_id, q, result_missing);
    else
        result_reply_pending(r, q);
}

static void result_located(struct request *r, const struct located *where)
{
    if (where->kind == LOCATE_LIVING)
        request_fresh(r, where->session, result_of_living);
    else if (where->kind == LOCATE_ENDED)
        result_of_ended(r, where->tombstone);
    else if (where->kind == LOCATE_ABSENT && may_have_run_here(r))
        sandbox_silent(r);
    else
        request_problemf(r, ERR_SESSION_NOT_FOUND, "there is no session '%s'", r->id);
}

/* Another site asks whether an execution id is the one of a body that it has. */
static void read_fingerprint(struct request *r)
{
    struct slice query = http_exchange_head(r->x)->query;
    int bad = 0;
    if (r->hop)
        http_query_get(query, "fingerprint", r->fingerprint, sizeof(r->fingerprint), &bad);
}

void executions_api_result(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct request *r = request_open(user, x, m, m->params[0], REQUEST_TENANT | REQUEST_READY);
    struct err err;
    if (!r)
        return;
    if (result_query_parse(http_exchange_head(r->x)->query, &r->query, &err) < 0) {
        request_problem(r, &err);
        return;
    }
    read_fingerprint(r);
    if (*r->query.execution_id) {
        /* Who names an execution was told of it, maybe just now by another gateway: "no such
         * session" would end its polling, and is not said from memory. */
        locate_forget_miss(r->g, r->id);
        r->again_step = result_kept_here;
    }
    request_locate(r, result_located);
}

/* -- stdin -- */

static void stdin_fresh(struct request *r)
{
    char path[128], target[1024];
    struct err err;
    snprintf(path, sizeof(path), "/v1/executions/%s/stdin", r->execution_id);
    if (!request_hears(r))
        return;
    if (!session_is_started(r->s)) {
        no_such_execution(r);
        return;
    }
    if (agent_relay_target(r, path, target, sizeof(target), &err) < 0) {
        request_problem(r, &err);
        return;
    }
    const struct agent_relay how = {.method = HTTP_METHOD_POST,
                                    .target = target,
                                    .head_ms = CALL_MS,
                                    .total_ms = CALL_MS,
                                    .body_max = STDIN_BODY_MAX};
    agent_relay_start(r, r->s, &how);
}

static void stdin_located(struct request *r, const struct located *where)
{
    if (request_takes_living(r, where))
        request_fresh(r, where->session, stdin_fresh);
}

void executions_api_stdin(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct request *r = request_open_named(user, x, m, "an execution id");
    if (r)
        request_locate(r, stdin_located);
}
