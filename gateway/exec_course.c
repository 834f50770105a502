#include "gateway/exec_course.h"

#include "base/json.h"
#include "gateway/agent_call.h"
#include "gateway/agent_relay.h"
#include "gateway/ending.h"
#include "gateway/environments.h"
#include "gateway/exec_body.h"
#include "gateway/gateway_metrics.h"
#include "gateway/locate.h"
#include "gateway/placement.h"
#include "gateway/remote_forward.h"
#include "gateway/remote_recall.h"
#include "gateway/remote_session.h"
#include "gateway/request.h"
#include "gateway/result_reply.h"
#include "gateway/session_table.h"
#include "gateway/site_clock.h"
#include "gateway/tender.h"
#include "http/http_reply.h"
#include "sandbox/exec_fingerprint.h"

#include <stdio.h>

#define HEAD_SLACK_MS 10000 /* beyond the wait that the client asked for */
#define HELD_MAX      ((int64_t)64 * 1024)
#define OTHERS_END_MS 1500 /* for the gateway that asked for a session's end to end it */

static void wait_ready(struct request *r);

/* -- 4. to the agent -- */

/* How long the agent may take once it has the code. */
static int64_t answer_ms(const struct request *r)
{
    int64_t wanted_ms = r->wait_s * 1000 + HEAD_SLACK_MS;
    int64_t left_ms = request_exec_left_ms(r);
    return left_ms < wanted_ms ? left_ms : wanted_ms;
}

static void submit_relay(struct request *r, struct session *s)
{
    char target[96];
    snprintf(target, sizeof(target), "/v1/exec/%s?wait=%lld", r->language, (long long)r->wait_s);
    const struct agent_relay how = {.method = HTTP_METHOD_POST,
                                    .target = target,
                                    .head_ms = answer_ms(r),
                                    .total_ms = answer_ms(r) + HEAD_SLACK_MS,
                                    .body_max = EXEC_BODY_MAX,
                                    .is_exec = true};
    agent_relay_start(r, s, &how);
}

/* -- the session had ended when the code came -- */

static void wait_over(struct request *r);

static void wait_over_until(struct request *r, int64_t until_ms)
{
    r->timed_out = false;
    r->until_ms = until_ms;
    request_wait(r, r->s, wait_over);
}

/* Its agent has agreed to the end that another gateway asked for. That one sees to it; if not, so
 * do we. Then it is as if the code had come later: in a new session. */
static void wait_over(struct request *r)
{
    struct session *s = r->s;
    int64_t ready_ms = r->begun_ms + r->g->conf.limits.ready_wait_ms;
    if (session_is_over(s)) {
        r->timed_out = false;
        r->until_ms = ready_ms;
        wait_ready(r);
    } else if (!r->timed_out) {
        request_wait(r, s, wait_over);
    } else if (!s->ending && world_now_ms(r->g->world) < ready_ms) {
        ending_start(r->g, s, ENDING_COMPLETION);
        wait_over_until(r, ready_ms);
    } else {
        request_problemf(r, ERR_SESSION_STOPPING, "the session '%s' is still stopping", r->id);
    }
}

static bool ended_before(const struct request *r, int status, struct slice body)
{
    char code[32];
    return status == err_http_status(ERR_SESSION_ENDED) && !r->placed &&
           r->s->spec.cleanup == SESSION_CLEANUP_COMPLETION &&
           json_members_text(body, "code", code, sizeof(code)) &&
           strcmp(code, err_wire_name(ERR_SESSION_ENDED)) == 0;
}

static void on_submitted(int status, struct slice body, const struct err *err, void *user)
{
    struct request *r = user;
    char eid[EXECUTION_ID_SIZE];
    r->call = NULL;
    if (err) {
        struct err told = *err;
        agent_relay_tell_unknown(&told);
        request_problem(r, &told);
        return;
    }
    if (ended_before(r, status, body)) {
        wait_over_until(r, world_now_ms(r->g->world) + OTHERS_END_MS);
        return;
    }
    if (status / 100 != 2) {
        request_reply(r, status, "application/problem+json", body);
        return;
    }
    if (json_members_text(body, "execution_id", eid, sizeof(eid)) &&
        session_id_is_name(slice_of(eid))) {
        session_see_execution(r->s, eid, status == 202, site_clock_ms(r->g));
        session_table_changed(r->g->sessions, r->s);
        gateway_metrics_execution(r->g->metrics, r->language);
    }
    result_reply_as_told(r, status, body);
}

static void submit_collected(struct request *r, struct session *s)
{
    char target[192];
    int len = snprintf(target, sizeof(target), "/v1/exec/%s?wait=%lld", r->language,
                       (long long)r->wait_s);
    INVARIANT(len > 0 && (size_t)len < sizeof(target));
    const struct agent_call_request req = {.method = HTTP_METHOD_POST,
                                           .target = target,
                                           .body = buf_slice(&r->body),
                                           .content_type =
                                               r->is_text ? "text/plain" : "application/json",
                                           .idempotency_key = r->key_given ? r->execution_id : NULL,
                                           .total_ms = answer_ms(r),
                                           .reply_max = RESULT_PAGE_MAX};
    if (!r->s)
        r->s = session_ref(s);
    r->call = agent_call_start(r->g, s, &req, on_submitted, r);
}

/* -- 3. until the session is ready -- */

static void answer_ended(struct request *r, const struct session *s)
{
    if (s->failure)
        request_problem(r, s->failure);
    else if (strcmp(s->reason, "unschedulable") == 0)
        request_problemf(r, ERR_CAPACITY_FULL, "the cluster found no room for the sandbox");
    else if (session_state(s) == SESSION_ERROR)
        request_problemf(r, ERR_SANDBOX_LOST, "the session ended before it took the code: %s",
                         s->reason);
    else
        request_problemf(r, ERR_SESSION_ENDED, "the session '%s' has ended", r->id);
}

/* Its site took nothing: the session had just ended. What is known here is old. */
static void forwarded_in_vain(struct request *r)
{
    struct session *s = r->s;
    r->s = NULL;
    r->timed_out = false;
    if (s->remote)
        remote_session_end(s, NULL);
    session_unref(s);
    r->recalled = false;
    exec_course_start(r);
}

/* It may end between two executions: the code is held, to be sent again. */
static bool may_have_ended(const struct request *r, const struct session *s)
{
    int64_t length = http_exchange_head(r->x)->content_length;
    return s->spec.cleanup == SESSION_CLEANUP_COMPLETION && !r->placed && length >= 0 &&
           length <= HELD_MAX;
}

static void wait_ready(struct request *r)
{
    struct session *s = r->s;
    bool may_begin_anew = s->superseded || (session_state(s) == SESSION_STOPPED && !r->placed &&
                                            s->spec.cleanup == SESSION_CLEANUP_COMPLETION);
    bool is_usable = session_is_usable(s);
    bool is_to_recall = is_usable && s->spec.again && !r->recalled; /* as came out in its move */
    if (is_usable && !is_to_recall) {
        tender_start(r->g, s); /* does nothing where it is tended */
        if (s->remote)
            remote_forward_exec(r, forwarded_in_vain);
        else if (r->has_body)
            submit_collected(r, s);
        else if (may_have_ended(r, s))
            request_collect(r, EXEC_BODY_MAX, wait_ready);
        else
            submit_relay(r, s);
    } else if (may_begin_anew || is_to_recall) {
        session_unref(s);
        r->s = NULL;
        r->recalled = false; /* it may have run in the one that ended meanwhile */
        exec_course_start(r);
    } else if (session_is_over(s) ||
               (session_state(s) == SESSION_STOPPING && strcmp(s->reason, "unschedulable") == 0)) {
        answer_ended(r, s);
    } else if (r->timed_out) {
        request_problemf(r, ERR_SESSION_NOT_READY,
                         "the session is still %s after %lld ms; nothing was submitted",
                         session_state_word(session_state(s)),
                         (long long)(world_now_ms(r->g->world) - r->begun_ms));
    } else {
        if (session_state(s) != SESSION_PENDING)
            tender_start(r->g, s);
        request_wait(r, s, wait_ready);
    }
}

static void use_session(struct request *r, struct session *s)
{
    const struct environment *e = environments_get(r->g->environments, s->spec.environment);
    if (e && !environment_has_language(e, slice_of(r->language))) {
        request_problemf(r, ERR_UNKNOWN_LANGUAGE, "the environment '%s' does not have '%s'",
                         e->name, r->language);
        return;
    }
    if (s->remote) {
        request_fresh(r, s, wait_ready);
        return;
    }
    if (!r->s)
        r->s = session_ref(s);
    wait_ready(r);
}

static void proceed_again(struct request *r)
{
    r->timed_out = false;
    exec_course_start(r);
}

/* Its code is on the way: when that is refused, or this gateway dies, nobody will ever use it. */
static void shorten_idle(struct request *r)
{
    int64_t *idle_ms = &r->create->spec.idle_ms;
    int64_t enough_ms = r->g->conf.limits.ready_wait_ms + 1000; /* it is kept in whole seconds */
    if (*idle_ms > enough_ms)
        *idle_ms = enough_ms;
}

static void begin_session(struct request *r, bool again)
{
    const struct session_request_defaults defaults = {
        .environments = r->g->environments,
        .environment = environments_name_for(r->g->environments, r->g->conf.default_environment,
                                             slice_of(r->language)),
        .runtime_class = r->g->conf.runtime_class,
        .cleanup = SESSION_CLEANUP_COMPLETION,
        .limits = &r->g->conf.limits,
    };
    struct err err;
    int rc = 0;
    if (!r->create)
        rc = request_read_create(r, (struct slice){0}, &defaults, &err);
    if (rc < 0) {
        request_problem(r, &err);
        return;
    }
    if (r->one_shot)
        shorten_idle(r);
    if (!environment_has_language(r->create->environment, slice_of(r->language))) {
        request_problemf(r, ERR_UNKNOWN_LANGUAGE, "the environment '%s' does not have '%s'",
                         r->create->environment->name, r->language);
        return;
    }
    if (r->hop) { /* where it begins anew is for the site to say that it came from */
        http_reply_header(r->x, "Spillway-Not-Started", "1");
        request_problemf(r, again ? ERR_SESSION_ENDED : ERR_SESSION_NOT_FOUND,
                         "there is no living session '%s' here", r->id);
        return;
    }
    r->create->spec.again = again;
    r->create->is_new_id = r->is_new_id;
    struct session *s = placement_start(r->g, r->id, r->tenant, r->create, true, &err);
    if (!s) {
        if (!request_retries(r, &err, proceed_again))
            request_problem(r, &err);
        return;
    }
    locate_forget_miss(r->g, r->id);
    r->placed = true;
    r->s = session_ref(s);
    request_wait(r, s, wait_ready);
}

/* -- 2. what may have run already -- */

static void reply_lost(struct request *r)
{
    const struct result_query whole = {.limit = RESULT_LIMIT_MAX};
    result_reply_lost(r, r->execution_id, &whole);
}

static void after_recall(struct request *r)
{
    struct located where;
    r->recalled = true;
    locate_now(r->g, r->id, r->tenant, &where);
    const struct tombstone *t = where.kind == LOCATE_ENDED ? where.tombstone : NULL;
    bool known = t && *r->execution_id && tombstone_knows(t, r->execution_id);
    if (known && *t->site)
        remote_recall_from(r, t->site, reply_lost);
    else if (known)
        reply_lost(r);
    else if (t && t->cleanup == SESSION_CLEANUP_IDLE)
        request_problemf(r, ERR_SESSION_ENDED,
                         "the session '%s' has ended, with its files and variables", r->id);
    else if (t && *r->execution_id && !t->agreed && !r->insists)
        request_problemf(
            r, ERR_SESSION_ENDED,
            "the sandbox was lost, so it is not known whether '%s' ran; ?recreate=true "
            "runs it in a new one",
            r->execution_id);
    else
        exec_course_start(r);
}

/* Its earlier life may have been at another site. */
static void recall_elsewhere(struct request *r)
{
    if (r->hop)
        after_recall(r);
    else
        remote_recall_start(r, after_recall, proceed_again);
}

/* Parsed on the loop: what is larger is taken for the same. */
#define COMPARED_MAX ((size_t)512 * 1024)

static void take_fingerprint(struct request *r)
{
    struct err err;
    bool is_small = r->body.len <= COMPARED_MAX;
    *r->fingerprint = '\0';
    /* An agent takes no body that is no JSON, so it is none that ran. */
    if (is_small &&
        exec_fingerprint(r->language, r->is_text, buf_slice(&r->body), r->fingerprint, &err) < 0)
        snprintf(r->fingerprint, sizeof(r->fingerprint), "none");
}

/* At most once across incarnations: an id with a stored result is that execution. */
static void recall_named(struct request *r)
{
    const struct result_query whole = {.limit = RESULT_LIMIT_MAX}; /* as its agent would tell it */
    take_fingerprint(r);
    result_reply_stored(r, r->execution_id, &whole, recall_elsewhere);
}

static void recall(struct request *r)
{
    char in_body[EXECUTION_ID_SIZE];
    if (!r->is_text &&
        json_members_text(buf_slice(&r->body), "execution_id", in_body, sizeof(in_body))) {
        r->key_given = false; /* the body's word counts */
        snprintf(r->execution_id, sizeof(r->execution_id), "%s", in_body);
    }
    if (*r->execution_id && session_id_is_name(slice_of(r->execution_id)))
        recall_named(r);
    else
        after_recall(r);
}

/* -- 1. which session -- */

static void exec_located(struct request *r, const struct located *where)
{
    bool has_past = where->kind == LOCATE_ENDED || where->past ||
                    (where->kind == LOCATE_LIVING && where->session->spec.again);
    r->of_past = where->kind == LOCATE_ENDED; /* until a session is there that takes the code */
    if (where->kind == LOCATE_FOREIGN)
        request_problemf(r, ERR_SESSION_CONFLICT, "the id is in use");
    else if (has_past && !r->has_body)
        request_collect(r, EXEC_BODY_MAX, recall);
    else if (has_past && !r->recalled)
        recall(r);
    else if (where->kind == LOCATE_LIVING)
        use_session(r, where->session);
    else
        begin_session(r, where->kind == LOCATE_ENDED || where->past);
}

void exec_course_start(struct request *r)
{
    if (r->hop) /* nothing is begun here that could meet a living pod: it is looked for */
        request_locate_for_beginner(r, exec_located);
    else
        request_locate_dead(r, exec_located);
}

void exec_course_start_new(struct request *r)
{
    begin_session(r, false);
}
