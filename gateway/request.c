#include "gateway/request.h"

#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "clusters/kube_store.h"
#include "gateway/agent_call.h"
#include "gateway/auth.h"
#include "gateway/gateway_metrics.h"
#include "gateway/remote_session.h"
#include "gateway/session_table.h"
#include "gateway/tender.h"
#include "http/media_type.h"
#include "http/problem.h"
#include "router/remote.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define FRESH_WAIT_MS  1500
#define REMOTE_WAIT_MS 4000
#define RETRY_FOR_MS   4000
#define RETRY_EVERY_MS 100
#define LEAST_MS       1000

/* The chain of time-outs. */
enum {
#define X(name, ms, what) TIMEOUT_##name = (ms),
#include "gateway/timeouts.def"
#undef X
};

/* -- the end: one function -- */

static void stop_waiting(struct request *r)
{
    session_unwait(&r->waiter);
    if (r->timer)
        timer_stop(r->g->world, r->timer);
}

static void drop_create(struct request *r)
{
    if (r->create)
        session_request_fini(r->create);
    free(r->create);
}

static void finish(struct request *r, int status)
{
    gateway_metrics_request(r->g->metrics, r->operation, status,
                            world_now_ms(r->g->world) - r->begun_ms);
    stop_waiting(r);
    timer_free(r->g->world, &r->timer);
    agent_call_cancel(&r->call);
    remote_call_cancel(&r->remote_call);
    if (r->s)
        session_unref(r->s);
    drop_create(r);
    if (r->has_body)
        buf_fini(&r->body);
    free(r);
}

void request_done(struct request *r, int status)
{
    finish(r, status);
}

#define REASON_MAX (sizeof(((struct session_spec *)NULL)->placement_reason))

static void say_place(struct request *r, const char *site, bool remote, const char *reason)
{
    char why[sizeof("remote; reason=") + REASON_MAX];
    http_reply_header(r->x, "Spillway-Site", site);
    /* Every answer says this: copies are a third of what a format string costs. */
    stpcpy(stpcpy(why, remote ? "remote; reason=" : "local; reason="), reason);
    http_reply_header(r->x, "Spillway-Placement", why);
}

/* What is kept of it may have been written by anybody. */
static void say_past_place(struct request *r, const struct tombstone *t)
{
    const struct json_t *placement = json_get(t->view, "placement");
    const char *site = json_get_text(t->view, "site", "");
    const char *reason = json_get_text(placement, "reason", "");
    bool remote = strcmp(json_get_text(placement, "kind", ""), "remote") == 0;
    if (session_id_is_label(slice_of(site)) && session_id_is_name(slice_of(reason)) &&
        strlen(reason) < REASON_MAX)
        say_place(r, site, remote, reason);
}

void request_say_where(struct request *r)
{
    const struct session *s = r->s;
    const struct tombstone *t =
        r->of_past && !s ? session_table_tombstone(r->g->sessions, r->id) : NULL;
    if (*r->id)
        http_reply_header(r->x, "Spillway-Session-Id", r->id);
    if (s)
        say_place(r, session_is_remote(s) ? s->site : r->g->conf.site,
                  session_is_remote(s) || *s->spec.origin, s->spec.placement_reason);
    else if (t)
        say_past_place(r, t);
}

static void let_go(struct request *r)
{
    http_exchange_on_gone(r->x, NULL, NULL);
    request_say_where(r);
}

/* The site that asked acts by these, not by the text. */
static void tell_origin(struct request *r, enum err_code code)
{
    http_reply_header(r->x, "Spillway-Reason", err_wire_name(code));
    if (err_http_status(code) == 503)
        http_reply_header(r->x, "Spillway-Not-Started", "1");
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

void request_problem(struct request *r, const struct err *err)
{
    enum err_code code = err->code;
    let_go(r);
    if (r->hop)
        tell_origin(r, code);
    problem_reply(r->x, err);
    finish(r, err_http_status(code));
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

/* A client's field counts as an explicit id. */
static int read_header_id(struct request *r, const struct http_head *head, struct err *err)
{
    struct slice field = http_head_get(head, "X-Session-Id");
    char id[SESSION_ID_SIZE];
    if (!field.at)
        return 0;
    if (http_head_count(head, "X-Session-Id") > 1)
        return err_set(err, ERR_ID_MISMATCH, "more than one X-Session-Id");
    int rc = session_id_check(field, id, err);
    if (rc < 0)
        return err_wrap(err, "X-Session-Id");
    if (*r->explicit_id && strcmp(r->explicit_id, id) != 0)
        return err_set(err, ERR_ID_MISMATCH, "the path names '%s', X-Session-Id '%s'",
                       r->explicit_id, id);
    snprintf(r->explicit_id, sizeof(r->explicit_id), "%s", id);
    return 0;
}

/* nginx's proposal, for which it chose this gateway. */
static int read_minted_id(struct request *r, const struct http_head *head, struct err *err)
{
    struct slice field = http_head_get(head, "Spillway-Minted-Id");
    return field.at ? session_id_check(field, r->minted_id, err) : 0;
}

static int read_ids(struct request *r, const struct http_head *head, struct slice path_id,
                    struct err *err)
{
    if (http_head_count(head, "Idempotency-Key") > 1) /* nginx and we might take different ones */
        return err_set(err, ERR_INVALID_ID, "more than one Idempotency-Key");
    if (!path_id.at && read_minted_id(r, head, err) < 0)
        return err_wrap(err, "Spillway-Minted-Id");
    if (path_id.at) {
        int rc = session_id_check(path_id, r->explicit_id, err);
        if (rc < 0)
            return rc;
        memcpy(r->id, r->explicit_id, sizeof(r->id));
        http_exchange_set_session_id(r->x, r->id);
    }
    return read_header_id(r, head, err);
}

/* Fields of gateways are believed together with a token of theirs; nginx lets none through. */
static int read_hop(struct request *r, const struct http_head *head, unsigned needs,
                    struct err *err)
{
    static const char *const OURS[] = {"Spillway-Hop", "Spillway-Origin", "Spillway-Tenant",
                                       "Spillway-Epoch"};
    bool claims = (needs & REQUEST_SITE) != 0;
    for (size_t i = 0; i < ARRAY_LEN(OURS); i++)
        claims |= http_head_get(head, OURS[i]).at != NULL;
    if (!claims)
        return 0;
    struct slice hop = http_head_get(head, "Spillway-Hop");
    struct slice tenant = http_head_get(head, "Spillway-Tenant");
    struct slice origin = http_head_get(head, "Spillway-Origin");
    if (!site_token_accepts(&r->g->accepted, head))
        return err_set(err, needs & REQUEST_SITE ? ERR_UNAUTHORIZED : ERR_FORBIDDEN,
                       "this is for gateways of other sites, with their token");
    if (!slice_eq(hop, "1"))
        return err_set(err, ERR_LOOP_DETECTED, "a request makes one hop between sites");
    if (!session_id_is_label(origin) || (tenant.at && !session_id_is_label(tenant)))
        return err_set(err, ERR_BAD_REQUEST, "Spillway-Origin and Spillway-Tenant are DNS labels");
    if (slice_eq(origin, r->g->conf.site))
        return err_set(err, ERR_LOOP_DETECTED, "the request comes from this site itself");
    r->hop = true;
    snprintf(r->hop_origin, sizeof(r->hop_origin), "%.*s", SLICE_ARG(origin));
    snprintf(r->hop_tenant, sizeof(r->hop_tenant), "%.*s", SLICE_ARG(tenant));
    return 0;
}

static int find_tenant(struct request *r, const struct http_head *head, struct err *err)
{
    r->tenant = r->hop ? r->hop_tenant : auth_tenant(r->g->auth, head, err);
    return r->tenant ? 0 : -ERR_UNAUTHORIZED;
}

/* A body that was packed would be taken for what it is not. */
static int check_coding(const struct request *r, const struct http_head *head, struct err *err)
{
    if (!http_exchange_has_body(r->x)) /* most have none: polls */
        return 0;
    struct slice coding = http_head_get(head, "Content-Encoding");
    if (!coding.at || slice_eq_nocase(coding, "identity"))
        return 0;
    return err_set(err, ERR_UNSUPPORTED_MEDIA_TYPE, "bodies come without a Content-Encoding");
}

static int check(struct request *r, struct slice path_id, unsigned needs, struct err *err)
{
    const struct http_head *head = http_exchange_head(r->x);
    int rc = needs & REQUEST_TENANT ? read_ids(r, head, path_id, err) : 0;
    if (rc == 0)
        rc = check_coding(r, head, err);
    if (rc < 0)
        return rc;
    if (needs & (REQUEST_TENANT | REQUEST_SITE))
        rc = read_hop(r, head, needs, err);
    if (rc == 0 && (needs & (REQUEST_TENANT | REQUEST_SITE)))
        rc = find_tenant(r, head, err);
    if (rc < 0)
        return rc;
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

struct request *request_open_named(struct gateway *g, struct http_exchange *x,
                                   const struct http_route_match *m, const char *what)
{
    struct request *r = request_open(g, x, m, m->params[0], REQUEST_TENANT | REQUEST_READY);
    struct err err;
    if (!r || session_id_check_name(m->params[1], what, r->execution_id, &err) == 0)
        return r;
    request_problem(r, &err);
    return NULL;
}

int request_media_type(const struct request *r, struct slice *type, struct err *err)
{
    return media_type_read(http_head_get(http_exchange_head(r->x), "Content-Type"), type, err);
}

int request_check_json(const struct request *r, struct err *err)
{
    struct slice type;
    if (request_media_type(r, &type, err) < 0)
        return -ERR_UNSUPPORTED_MEDIA_TYPE;
    /* curl -d says x-www-form-urlencoded of a body that is JSON; anything else must be named as
     * what it is. */
    if (!http_exchange_has_body(r->x) || type.len == 0 ||
        slice_eq_nocase(type, "application/json") ||
        slice_eq_nocase(type, "application/x-www-form-urlencoded"))
        return 0;
    return err_set(err, ERR_UNSUPPORTED_MEDIA_TYPE, "the body is application/json");
}

void request_take_new_id(struct request *r, struct slice key)
{
    r->is_new_id = !key.at;
    if (key.at)
        session_id_from_key(site_key_at(&r->g->keys, 0), r->tenant, key, r->id);
    else if (*r->minted_id)
        snprintf(r->id, sizeof(r->id), "%s", r->minted_id);
    else {
        r->id[0] = 's';
        world_random_hex(r->g->world, r->id + 1, 16);
    }
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

static int64_t left_of(const struct request *r, int64_t whole_ms)
{
    int64_t left_ms = r->begun_ms + whole_ms - world_now_ms(r->g->world);
    return left_ms > LEAST_MS ? left_ms : LEAST_MS;
}

int64_t request_left_ms(const struct request *r)
{
    return left_of(r, TIMEOUT_GATEWAY_ANSWER);
}

int64_t request_exec_left_ms(const struct request *r)
{
    return left_of(r, r->wait_s > 0 ? TIMEOUT_GATEWAY_WAITING : TIMEOUT_GATEWAY_EXEC);
}

/* A session at another site: known for certain, or its site has just not answered. */
static void wait_remote(struct request *r)
{
    struct session *s = r->s;
    if (session_is_over(s) || remote_session_is_fresh(s) || session_state(s) == SESSION_STOPPING ||
        s->handover) {
        r->timed_out = false;
        r->fresh_step(r);
    } else if (r->timed_out || remote_session_has_failed(s, r->begun_ms)) {
        request_problemf(r, ERR_SITE_UNREACHABLE, "the site '%s' does not answer", s->site);
    } else {
        request_wait(r, s, wait_remote);
    }
}

/* What was heard in the millisecond of the request is fresh: nothing more may come for a while. */
static void wait_fresh(struct request *r)
{
    struct session *s = r->s;
    if (!r->timed_out && s->activity_seen_ms < r->begun_ms && !session_is_over(s) &&
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
    r->fresh_step = step;
    r->until_ms = world_now_ms(r->g->world) + (s->remote ? REMOTE_WAIT_MS : FRESH_WAIT_MS);
    if (s->remote) {
        remote_session_want(s);
        wait_remote(r);
        return;
    }
    if (!stale) {
        step(r);
        return;
    }
    tender_start(r->g, s);
    request_wait(r, s, wait_fresh);
}

bool request_hears(struct request *r)
{
    if (!session_is_silent(r->s))
        return true;
    request_problemf(r, ERR_UNAVAILABLE, "the sandbox does not answer");
    return false;
}

int request_read_create(struct request *r, struct slice body,
                        const struct session_request_defaults *defaults, struct err *err)
{
    INVARIANT(!r->create);
    r->create = mem_alloc(sizeof(*r->create));
    int rc = session_request_parse(r->create, body, defaults, err);
    if (rc < 0) { /* nothing is owned in it */
        free(r->create);
        r->create = NULL;
    }
    return rc;
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
