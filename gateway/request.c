#include "gateway/request.h"

#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "clusters/kube_store.h"
#include "gateway/agent_call.h"
#include "gateway/auth.h"
#include "gateway/gateway_metrics.h"
#include "gateway/locate.h"
#include "gateway/session_table.h"
#include "gateway/tender.h"
#include "http/problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define FRESH_WAIT_MS  1500
#define RETRY_FOR_MS   4000
#define RETRY_EVERY_MS 100
#define DRAIN_MAX      ((size_t)64 * 1024)

/* -- the end: one function -- */

static void stop_waiting(struct request *r)
{
    session_unwait(&r->waiter);
    if (r->timer)
        timer_stop(r->g->world, r->timer);
}

static void finish(struct request *r, int status)
{
    gateway_metrics_request(r->g->metrics, r->operation, status,
                            world_now_ms(r->g->world) - r->begun_ms);
    stop_waiting(r);
    timer_free(r->g->world, &r->timer);
    agent_call_cancel(&r->call);
    if (r->s)
        session_unref(r->s);
    if (r->has_create)
        session_request_fini(&r->create);
    if (r->has_body)
        buf_fini(&r->body);
    free(r);
}

void request_done(struct request *r, int status)
{
    finish(r, status);
}

static void let_go(struct request *r)
{
    http_exchange_on_gone(r->x, NULL, NULL);
    if (*r->id)
        http_reply_header(r->x, "Spillway-Session-Id", r->id);
}

void request_reply(struct request *r, int status, const char *content_type, struct slice body)
{
    let_go(r);
    http_reply(r->x, status, content_type, body);
    finish(r, status);
}

void request_reply_json(struct request *r, int status, struct json_t *body)
{
    let_go(r);
    http_reply_json(r->x, status, body);
    finish(r, status);
}

static void refuse(struct request *r)
{
    let_go(r);
    problem_reply(r->x, &r->refusal);
    finish(r, err_http_status(r->refusal.code));
}

static void on_drained(struct http_exchange *x, struct slice body, const struct err *err,
                       void *user)
{
    (void)x;
    (void)body;
    (void)err; /* too long or broken: the server closes the connection behind the answer */
    refuse(user);
}

/* A proxy that gets an answer before it has passed the body on closes its client's connection,
 * without saying so before. So what is short is read first, unless the client waits for our word
 * before it sends any. */
static bool must_drain(const struct request *r)
{
    const struct http_head *head = http_exchange_head(r->x);
    return !r->body_taken && !head->expect_continue && http_exchange_has_body(r->x) &&
           !http_exchange_gone(r->x) && head->content_length <= (int64_t)DRAIN_MAX;
}

void request_problem(struct request *r, const struct err *err)
{
    r->refusal = *err;
    if (!must_drain(r)) {
        refuse(r);
        return;
    }
    r->body_taken = true;
    stop_waiting(r);
    http_exchange_on_gone(r->x, NULL, NULL);
    http_exchange_collect(r->x, DRAIN_MAX, on_drained, r);
}

void request_problemf(struct request *r, enum err_code code, const char *fmt, ...)
{
    struct err err;
    char text[sizeof(err.msg)];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    err_set(&err, code, "%s", text);
    request_problem(r, &err);
}

/* -- the beginning -- */

/* A client's field counts as an explicit id; what nginx minted is a proposal. */
static int read_header_id(struct request *r, const struct http_head *head, struct err *err)
{
    struct slice field = http_head_get(head, "X-Session-Id");
    bool minted = slice_eq(http_head_get(head, "Spillway-Id-Source"), "minted");
    char id[SESSION_ID_SIZE];
    if (http_head_count(head, "X-Session-Id") > 1)
        return err_set(err, ERR_ID_MISMATCH, "more than one X-Session-Id");
    if (!field.at)
        return 0;
    int rc = session_id_check(field, id, err);
    if (rc < 0)
        return err_wrap(err, "X-Session-Id");
    if (minted) {
        snprintf(r->minted_id, sizeof(r->minted_id), "%s", id);
        return 0;
    }
    if (*r->explicit_id && strcmp(r->explicit_id, id) != 0)
        return err_set(err, ERR_ID_MISMATCH, "the path names '%s', X-Session-Id '%s'",
                       r->explicit_id, id);
    snprintf(r->explicit_id, sizeof(r->explicit_id), "%s", id);
    return 0;
}

static int read_ids(struct request *r, const struct http_head *head, struct slice path_id,
                    struct err *err)
{
    if (path_id.at) {
        int rc = session_id_check(path_id, r->explicit_id, err);
        if (rc < 0)
            return rc;
        snprintf(r->id, sizeof(r->id), "%s", r->explicit_id);
        http_exchange_set_session_id(r->x, r->id);
    }
    return read_header_id(r, head, err);
}

static int check(struct request *r, struct slice path_id, unsigned needs, struct err *err)
{
    const struct http_head *head = http_exchange_head(r->x);
    int rc = needs & REQUEST_TENANT ? read_ids(r, head, path_id, err) : 0;
    if (rc < 0)
        return rc;
    if (needs & REQUEST_TENANT) {
        r->tenant = auth_tenant(r->g->auth, head, err);
        if (!r->tenant)
            return -ERR_UNAUTHORIZED;
    }
    if ((needs & REQUEST_READY) && !kube_store_synced(r->g->store))
        return err_set(err, ERR_NOT_READY, "the gateway has not seen the whole cluster yet");
    return 0;
}

struct request *request_open(struct gateway *g, struct http_exchange *x,
                             const struct http_route_match *m, struct slice path_id, unsigned needs)
{
    struct request *r = mem_alloc(sizeof(*r));
    struct err err;
    r->g = g;
    r->x = x;
    r->operation = m->route->name;
    r->begun_ms = world_now_ms(g->world);
    if (check(r, path_id, needs, &err) < 0) {
        if (err.code == ERR_UNAUTHORIZED)
            http_reply_header(x, "WWW-Authenticate", "Bearer");
        request_problem(r, &err);
        return NULL;
    }
    return r;
}

/* -- waiting -- */

static void run_step(struct request *r)
{
    stop_waiting(r);
    http_exchange_on_gone(r->x, NULL, NULL);
    r->step(r);
}

static void on_session(void *user)
{
    run_step(user);
}

static void on_time(void *user)
{
    struct request *r = user;
    r->timed_out = true;
    run_step(r);
}

static void on_gone(struct http_exchange *x, void *user)
{
    struct request *r = user;
    (void)x;
    request_problemf(r, ERR_REQUEST_TIMEOUT, "the client went away"); /* goes nowhere */
}

void request_wait(struct request *r, struct session *s, request_step_f *step)
{
    int64_t left_ms = r->until_ms - world_now_ms(r->g->world);
    r->step = step;
    if (r->s != s) {
        if (r->s)
            session_unref(r->s);
        r->s = session_ref(s);
    }
    if (!r->timer)
        r->timer = timer_new(r->g->world, on_time, r);
    session_wait(s, &r->waiter, on_session, r);
    timer_start(r->g->world, r->timer, left_ms > 0 ? left_ms : 0, 0);
    http_exchange_on_gone(r->x, on_gone, r);
}

void request_sleep(struct request *r, int64_t ms, request_step_f *step)
{
    r->step = step;
    if (!r->timer)
        r->timer = timer_new(r->g->world, on_time, r);
    timer_start(r->g->world, r->timer, ms, 0);
    http_exchange_on_gone(r->x, on_gone, r);
}

bool request_retries(struct request *r, const struct err *err, request_step_f *step)
{
    bool early = world_now_ms(r->g->world) - r->begun_ms < RETRY_FOR_MS;
    if (err->code != ERR_UNAVAILABLE || !early)
        return false;
    request_sleep(r, RETRY_EVERY_MS, step);
    return true;
}

static void wait_fresh(struct request *r)
{
    struct session *s = r->s;
    if (!r->timed_out && s->activity_seen_ms <= r->begun_ms && !session_is_over(s) &&
        session_state(s) != SESSION_STOPPING) {
        request_wait(r, s, wait_fresh);
        return;
    }
    r->timed_out = false;
    r->fresh_step(r);
}

void request_fresh(struct request *r, struct session *s, request_step_f *step)
{
    bool unheard = !s->tender || s->activity_seen_ms == 0;
    bool stale = unheard && !s->ending && s->pod_ready && *s->agent.host;
    if (!r->s)
        r->s = session_ref(s);
    if (!stale) {
        step(r);
        return;
    }
    tender_start(r->g, s);
    r->fresh_step = step;
    r->until_ms = world_now_ms(r->g->world) + FRESH_WAIT_MS;
    request_wait(r, s, wait_fresh);
}

static void on_located(const struct located *where, const struct err *err, void *user)
{
    struct request *r = user;
    if (err)
        request_problem(r, err);
    else
        r->on_located(r, where);
}

void request_locate(struct request *r, request_located_f *fn)
{
    struct located where;
    r->on_located = fn;
    if (locate_now(r->g, r->id, r->tenant, &where))
        fn(r, &where);
    else
        locate_start(r->g, r->id, r->tenant, on_located, r);
}

void request_locate_dead(struct request *r, request_located_f *fn)
{
    struct located where;
    r->on_located = fn;
    if (locate_now(r->g, r->id, r->tenant, &where) && where.kind != LOCATE_ABSENT)
        fn(r, &where);
    else
        locate_start_dead(r->g, r->id, r->tenant, on_located, r);
}

bool request_takes_living(struct request *r, const struct located *where)
{
    if (where->kind == LOCATE_LIVING)
        return true;
    if (where->kind == LOCATE_ENDED)
        request_problemf(r, ERR_SESSION_ENDED, "the session '%s' has ended", r->id);
    else
        request_problemf(r, ERR_SESSION_NOT_FOUND, "there is no session '%s'", r->id);
    return false;
}

static void on_collected(struct http_exchange *x, struct slice body, const struct err *err,
                         void *user)
{
    struct request *r = user;
    (void)x;
    if (err) {
        request_problem(r, err);
        return;
    }
    INVARIANT(buf_add(&r->body, body.at, body.len));
    r->step(r);
}

void request_collect(struct request *r, size_t max, request_step_f *step)
{
    r->step = step;
    r->body_taken = true;
    buf_init(&r->body, max);
    r->has_body = true;
    http_exchange_collect(r->x, max, on_collected, r);
}
