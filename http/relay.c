#include "http/relay.h"

#include "base/mem.h"
#include "http/http_connection.h"
#include "http/http_reply.h"
#include "http/problem.h"
#include "http/relay_fields.h"
#include "http/upstream_pool.h"
#include <stdlib.h>

#define SHORT_REST                                                                                 \
    ((int64_t)64 *                                                                                 \
     1024) /* of an answer nobody waits for any more: less than a new connection is worth */

struct relay {
    struct http_exchange *x;
    struct upstream_call *call;
    const struct relay_events *events;
    void *user;
    int64_t body_max;
    int64_t body_bytes;
    int64_t answer_left; /* -1: unknown */
    int status;
    struct err early; /* why it never started; told in a turn of its own */
};

/* ---- fields ---- */

static bool is_added(const struct relay_request *req, struct slice name)
{
    for (unsigned i = 0; i < req->header_count; i++) {
        struct slice added = req->headers[i].name;
        if (added.len == name.len && strncasecmp(added.at, name.at, name.len) == 0)
            return true;
    }
    return false;
}

/* What passes from the client, and what the caller adds (which wins). The caller frees. */
static struct http_header *request_fields(const struct http_head *head,
                                          const struct relay_request *req, unsigned *count)
{
    struct http_header *out = mem_array(head->header_count + req->header_count + 1, sizeof(*out));
    unsigned n = 0;
    for (unsigned i = 0; i < head->header_count; i++) {
        struct slice name = head->headers[i].name;
        if (relay_field_goes_in(head->headers, head->header_count, name) && !is_added(req, name))
            out[n++] = head->headers[i];
    }
    for (unsigned i = 0; i < req->header_count; i++) {
        INVARIANT(http_text_is_clean(req->headers[i].value));
        out[n++] = req->headers[i];
    }
    if (head->path.len <= PROBLEM_INSTANCE_MAX)
        out[n++] = (struct http_header){slice_of(PROBLEM_INSTANCE_FIELD), head->path};
    *count = n;
    return out;
}

/* ---- ends ---- */

/* The exchange has been ended: tells it, once. */
static void done(struct relay *r, const struct err *err, bool sent)
{
    if (r->events != NULL && r->events->on_done != NULL)
        r->events->on_done(r->status, err, sent, r->user);
    free(r);
}

/* No answer, or not all of it. `err` must outlive r. */
static void fail(struct relay *r, const struct err *err, bool sent)
{
    struct err told = *err;
    if (r->status == 0 && r->events != NULL && r->events->on_fail != NULL)
        r->events->on_fail(&told, sent, r->user);
    if (http_reply_begun(r->x))
        http_reply_abort(r->x);
    else
        problem_reply(r->x, &told);
    done(r, &told, sent);
}

static void cancel_and_fail(struct relay *r, const struct err *err)
{
    bool sent = upstream_call_sent(r->call);
    upstream_cancel(&r->call);
    fail(r, err, sent);
}

static void on_gone(struct http_exchange *x, void *user)
{
    struct relay *r = user;
    struct err err;
    (void)x;
    if (r->status != 0 && r->answer_left >= 0 && r->answer_left <= SHORT_REST) {
        upstream_resume(r->call); /* nobody will drain the reply any more */
        return;
    }
    err_set(&err, ERR_BAD_REQUEST, "the client closed the connection");
    cancel_and_fail(r, &err);
}

static void dropped(void *user)
{
    struct relay *r = user;
    struct err err;
    err_set(&err, ERR_UPSTREAM, "the gateway is ending");
    fail(r, &err, true);
}

/* ---- the request's body ---- */

static void on_request_data(struct http_exchange *x, struct slice piece, void *user)
{
    struct relay *r = user;
    r->body_bytes += (int64_t)piece.len;
    if (r->body_bytes > r->body_max) {
        struct err err;
        err_set(&err, ERR_PAYLOAD_TOO_LARGE, "the body is above its limit of %lld bytes",
                (long long)r->body_max);
        cancel_and_fail(r, &err);
        return;
    }
    if (upstream_write(r->call, piece) > UPSTREAM_HIGH_WATER)
        http_exchange_pause(x);
}

static void on_request_end(struct http_exchange *x, const struct err *err, void *user)
{
    struct relay *r = user;
    (void)x;
    if (err == NULL) {
        upstream_body_end(r->call);
        return;
    }
    struct err copy = *err; /* it lives in the exchange, which ends */
    cancel_and_fail(r, &copy);
}

static const struct http_body_events BODY_EVENTS = {on_request_data, on_request_end};

static void on_writable(struct upstream_call *c, void *user)
{
    struct relay *r = user;
    (void)c;
    http_exchange_resume(r->x);
}

/* ---- the answer ---- */

static void on_head(struct upstream_call *c, const struct http_head *head, void *user)
{
    struct relay *r = user;
    (void)c;
    if (r->events != NULL && r->events->declines != NULL && !http_exchange_has_body(r->x) &&
        r->events->declines(head, r->user)) {
        http_exchange_on_gone(r->x, NULL, NULL);
        upstream_cancel(&r->call);
        free(r);
        return;
    }
    r->status = head->status;
    r->answer_left = head->content_length;
    for (unsigned i = 0; i < head->header_count; i++) {
        if (relay_field_comes_out(head->headers, head->header_count, head->headers[i].name))
            http_reply_field(r->x, head->headers[i].name, head->headers[i].value);
    }
    if (r->events != NULL && r->events->on_head != NULL)
        r->events->on_head(r->x, head, r->user);
    http_reply_begin(r->x, head->status, head->content_length);
}

static void on_drained(struct http_exchange *x, void *user)
{
    struct relay *r = user;
    (void)x;
    upstream_resume(r->call);
}

static void on_data(struct upstream_call *c, struct slice piece, void *user)
{
    struct relay *r = user;
    if (r->answer_left > 0)
        r->answer_left -= (int64_t)piece.len;
    if (http_reply_write(r->x, piece) <= HTTP_REPLY_HIGH_WATER || http_exchange_gone(r->x))
        return;
    upstream_pause(c);
    http_reply_on_drain(r->x, on_drained, r);
}

static void on_end(struct upstream_call *c, void *user)
{
    struct relay *r = user;
    (void)c;
    http_reply_end(r->x);
    done(r, NULL, true);
}

static void on_fail(struct upstream_call *c, const struct err *err, bool sent, void *user)
{
    (void)c;
    fail(user, err, sent);
}

static const struct upstream_events UPSTREAM_EVENTS = {on_head, on_data, on_end, on_fail,
                                                       on_writable};

/* ---- start ---- */

static void fail_early(void *user)
{
    struct relay *r = user;
    struct err err = r->early;
    fail(r, &err, false);
}

static int start_call(struct relay *r, struct upstream *u, const struct upstream_target *target,
                      const struct relay_request *req)
{
    const struct http_head *head = http_exchange_head(r->x);
    struct upstream_request out = {
        .method = req->method,
        .target = req->target,
        .body_streamed = http_exchange_has_body(r->x),
        .content_length = head->content_length,
        .head_ms = req->head_ms,
        .total_ms = req->total_ms,
    };
    if (head->content_length > req->body_max)
        return err_set(&r->early, ERR_PAYLOAD_TOO_LARGE,
                       "the body is above its limit of %lld bytes", (long long)req->body_max);
    struct http_header *fields = request_fields(head, req, &out.header_count);
    out.headers = fields;
    int rc = upstream_start(u, target, &out, &UPSTREAM_EVENTS, r, &r->call, &r->early);
    free(fields);
    return rc;
}

void relay_start(struct http_exchange *x, struct upstream *u, const struct upstream_target *target,
                 const struct relay_request *req, const struct relay_events *events, void *user)
{
    struct relay *r = mem_alloc(sizeof(*r));
    r->x = x;
    r->events = events;
    r->user = user;
    r->body_max = req->body_max;
    r->answer_left = -1;
    if (start_call(r, u, target, req) < 0) {
        loop_defer(http_exchange_loop(x), fail_early, r);
        return;
    }
    r->call->dropped = dropped;
    http_exchange_on_gone(x, on_gone, r);
    if (http_exchange_has_body(x))
        http_exchange_stream(x, &BODY_EVENTS, r);
}
