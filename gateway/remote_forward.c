#include "gateway/remote_forward.h"

#include "base/loop.h"
#include "base/mem.h"
#include "gateway/exec_body.h"
#include "gateway/gateway_metrics.h"
#include "gateway/remote_session.h"
#include "gateway/session_table.h"
#include "http/http_reply.h"
#include "router/remote.h"

#include <stdio.h>
#include <stdlib.h>

#define CONNECT_MS 1000
#define IDLE_MS    45000              /* longer than a poll waits, and than events ping */
#define BODY_MAX   ((int64_t)1 << 30) /* the site has the exact limits */
#define REPLAY_MAX ((int64_t)64 * 1024)
#define TRIES_MAX  3

/* One call on its way; lives as long as the exchange is the relay's. */
struct forward {
    struct request *r;
    struct remote *remote;
    const char *operation;
    int64_t begun_ms;
    bool is_exec, may_have_begun;
};

/* -- the answer -- */

/* What is asked for may be of an earlier life of the session, here. That there is no session is an
 * answer where it lives, and none where it lived before. */
static bool knows_nothing(const struct forward *f, const struct http_call_head *head)
{
    struct slice reason = http_call_head_get(head, "Spillway-Reason");
    bool lives_there = f->r->s && f->r->s->remote;
    return !f->is_exec && f->r->again_step && head->status == 404 &&
           !http_exchange_has_body(f->r->x) &&
           !(lives_there && slice_eq(reason, "session_not_found"));
}

static bool begins_anew(const struct forward *f, const struct http_call_head *head)
{
    struct slice reason = http_call_head_get(head, "Spillway-Reason");
    bool nothing = slice_eq(http_call_head_get(head, "Spillway-Not-Started"), "1");
    bool over = slice_eq(reason, "session_ended") || slice_eq(reason, "session_not_found");
    return f->is_exec && f->r->has_body && f->r->again_step && nothing && over &&
           ++f->r->tries < TRIES_MAX;
}

static void note_execution(struct request *r, const struct http_call_head *head)
{
    char eid[EXECUTION_ID_SIZE];
    struct err ignored;
    struct slice field = http_call_head_get(head, "Spillway-Execution-Id");
    if (head->status / 100 != 2 || session_id_check_name(field, "execution id", eid, &ignored) < 0)
        return;
    remote_session_saw_execution(r->s, eid, head->status == 202);
    gateway_metrics_execution(r->g->metrics, r->language);
}

static void go_on(void *user)
{
    struct request *r = user;
    request_step_f *again = r->again_step;
    r->again_step = NULL;
    again(r);
}

static bool on_head(struct http_exchange *x, const struct http_call_head *head, void *user)
{
    struct forward *f = user;
    struct request *r = f->r;
    (void)x;
    if (begins_anew(f, head) || knows_nothing(f, head)) {
        remote_note_call(f->remote, f->operation, f->begun_ms, head->status, NULL);
        loop_defer(r->g->loop, go_on, r);
        free(f);
        return false;
    }
    if (f->is_exec)
        note_execution(r, head);
    if (r->s && r->s->remote)
        remote_session_want(r->s);
    return true;
}

static void on_done(int status, const struct err *err, void *user)
{
    struct forward *f = user;
    struct request *r = f->r;
    remote_note_call(f->remote, f->operation, f->begun_ms, status, status > 0 ? NULL : err);
    free(f);
    request_done(r, status > 0 ? status : err_http_status(err ? err->code : ERR_UPSTREAM));
}

static void on_fail(struct err *err, void *user)
{
    struct forward *f = user;
    const char *site = remote_name(f->remote);
    char why[160];
    if (err->code != ERR_UPSTREAM && err->code != ERR_DEADLINE && err->code != ERR_UNAVAILABLE)
        return; /* the client's own */
    snprintf(why, sizeof(why), "%.150s", err->msg);
    if (f->may_have_begun && err->code != ERR_UNAVAILABLE)
        err_set(err, ERR_UPSTREAM,
                "the site '%s' broke off after it got the request (%s). An execution may have "
                "begun: repeat it with the same execution_id",
                site, why);
    else
        err_set(err, ERR_SITE_UNREACHABLE, "the site '%s' does not answer: %s", site, why);
}

/* -- the call -- */

static const struct call_relay_events EVENTS = {on_head, on_done, on_fail};

struct how {
    const char *method, *target, *operation;
    bool is_exec, without_body, shares;
    const char *idempotency_key;
};

static void start(struct request *r, struct remote *remote, const struct how *how)
{
    struct remote_fields fields;
    struct http_header rows[REMOTE_FIELDS_MAX + 1];
    bool writes = strcmp(how->method, "GET") != 0 && strcmp(how->method, "DELETE") != 0;
    if (!remote_is_reachable(remote)) {
        request_problemf(r, ERR_SITE_UNREACHABLE, "the site '%s' does not answer",
                         remote_name(remote));
        return;
    }
    remote_fields(remote, r->tenant, NULL, &fields);
    memcpy(rows, fields.rows, fields.count * sizeof(*rows));
    if (how->idempotency_key)
        rows[fields.count++] =
            (struct http_header){slice_of("Idempotency-Key"), slice_of(how->idempotency_key)};
    struct forward *f = mem_alloc(sizeof(*f));
    *f = (struct forward){.r = r,
                          .remote = remote,
                          .operation = how->operation,
                          .begun_ms = world_now_ms(r->g->world),
                          .is_exec = how->is_exec,
                          .may_have_begun = writes};
    char *url = remote_url(remote, how->target);
    const struct call_relay_request req = {
        .method = how->method,
        .url = url,
        .headers = rows,
        .header_count = fields.count,
        .tls = remote_tls(remote),
        .has_body = r->has_body || how->without_body,
        .body = r->has_body && !how->without_body ? buf_slice(&r->body) : (struct slice){0},
        .body_max = BODY_MAX,
        .connect_ms = CONNECT_MS,
        .idle_ms = how->is_exec ? request_exec_left_ms(r) : IDLE_MS,
        .shares = how->shares,
    };
    r->body_taken = true;
    call_relay_start(r->x, r->g->remote_caller, &req, &EVENTS, f);
    free(url);
}

static bool is_short_read(const struct request *r)
{
    return http_exchange_head(r->x)->method == HTTP_METHOD_GET && !http_exchange_has_body(r->x) &&
           strcmp(r->operation, "events") != 0 && strcmp(r->operation, "download") != 0;
}

void remote_forward_start(struct request *r, struct remote *remote, struct session *s)
{
    const struct http_head *head = http_exchange_head(r->x);
    char *method CLEANUP(mem_free_text) = mem_text_n(head->method_text.at, head->method_text.len);
    char *target CLEANUP(mem_free_text) = mem_text_n(head->target.at, head->target.len);
    if (s && !r->s)
        r->s = session_ref(s);
    start(r, remote,
          &(struct how){.method = method,
                        .target = target,
                        .operation = r->operation,
                        .shares = is_short_read(r)});
}

void remote_forward_get(struct request *r, struct remote *remote, const char *target)
{
    start(r, remote,
          &(struct how){.method = "GET",
                        .target = target,
                        .operation = r->operation,
                        .without_body = true,
                        .shares = true});
}

static void send_exec(struct request *r)
{
    char target[192], key[EXECUTION_ID_SIZE];
    struct remote *remote = remotes_get(r->g->remotes, r->s->site);
    /* In the client's spelling: a problem names the path that was asked for. */
    bool is_long = slice_starts_with(http_exchange_head(r->x)->path, "/api/");
    /* An id in any case: what a connection makes unsure can be asked for, or sent again. */
    if (r->key_given)
        snprintf(key, sizeof(key), "%s", r->execution_id);
    else
        world_random_hex(r->g->world, key, 16);
    snprintf(target, sizeof(target), "%s/%s/exec/%s?wait=%lld", is_long ? "/api/v1/sessions" : "",
             r->id, r->language, (long long)r->wait_s);
    start(r, remote,
          &(struct how){.method = "POST",
                        .target = target,
                        .operation = r->operation,
                        .is_exec = true,
                        .idempotency_key = key});
}

void remote_forward_exec(struct request *r, request_step_f *again)
{
    int64_t length = http_exchange_head(r->x)->content_length;
    r->again_step = again;
    if (!r->has_body && !r->body_taken && length >= 0 && length <= REPLAY_MAX)
        request_collect(r, EXEC_BODY_MAX, send_exec);
    else
        send_exec(r);
}
