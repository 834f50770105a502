#include "http/call_relay.h"

#include "base/mem.h"
#include "http/http_connection.h"
#include "http/http_reply.h"
#include "http/problem.h"
#include "http/relay_fields.h"
#include <stdlib.h>

struct call_relay {
    struct http_exchange *x;
    struct http_call *call;
    const struct call_relay_events *events;
    void *user;
    int64_t body_max, body_bytes;
    int status;
    bool streams_up;
    struct err early; /* why it never started */
};

/* ---- fields ---- */

static const char *const NOT_ON[] = {"X-Session-Id", "X-Forwarded-For", "Forwarded", "Cookie",
                                     "X-Request-Id"};

static bool is_left_out(struct slice name)
{
    for (size_t i = 0; i < ARRAY_LEN(NOT_ON); i++) {
        if (slice_eq_nocase(name, NOT_ON[i]))
            return true;
    }
    return name.len > 9 && strncasecmp(name.at, "Spillway-", 9) == 0;
}

/* One gateway's words to another. */
static bool is_kept_back(struct slice name)
{
    return slice_eq_nocase(name, "X-Request-Id") || slice_eq_nocase(name, "Spillway-Reason") ||
           slice_eq_nocase(name, "Spillway-Not-Started");
}

static bool is_added(const struct call_relay_request *req, struct slice name)
{
    for (unsigned i = 0; i < req->header_count; i++) {
        struct slice added = req->headers[i].name;
        if (added.len == name.len && strncasecmp(added.at, name.at, name.len) == 0)
            return true;
    }
    return false;
}

/* Lines as http_call takes them; the caller frees each and the array. */
static char **request_lines(const struct http_exchange *x, const struct call_relay_request *req,
                            unsigned *count)
{
    const struct http_head *head = http_exchange_head(x);
    char **lines = mem_array(head->header_count + req->header_count + 2, sizeof(*lines));
    unsigned n = 0;
    for (unsigned i = 0; i < head->header_count; i++) {
        struct http_header f = head->headers[i];
        if (relay_field_goes_in(head->headers, head->header_count, f.name) &&
            !is_left_out(f.name) && !is_added(req, f.name))
            lines[n++] = mem_format("%.*s: %.*s", SLICE_ARG(f.name), SLICE_ARG(f.value));
    }
    for (unsigned i = 0; i < req->header_count; i++)
        lines[n++] = mem_format("%.*s: %.*s", SLICE_ARG(req->headers[i].name),
                                SLICE_ARG(req->headers[i].value));
    lines[n++] = mem_format("X-Request-Id: %s", http_exchange_request_id(x));
    *count = n;
    return lines;
}

/* ---- ends ---- */

static void done(struct call_relay *r, const struct err *err)
{
    r->events->on_done(r->status, err, r->user);
    free(r);
}

static void fail(struct call_relay *r, const struct err *err)
{
    struct err told = *err;
    if (r->status == 0 && r->events->on_fail != NULL)
        r->events->on_fail(&told, r->user);
    if (http_reply_begun(r->x))
        http_reply_abort(r->x);
    else
        problem_reply(r->x, &told);
    done(r, err);
}

static void on_gone(struct http_exchange *x, void *user)
{
    struct call_relay *r = user;
    struct err err;
    (void)x;
    err_set(&err, ERR_BAD_REQUEST, "the client closed the connection");
    http_call_cancel(&r->call);
    r->status = r->status ? r->status : err_http_status(ERR_BAD_REQUEST);
    fail(r, &err);
}

/* ---- the request's body ---- */

static void on_request_data(struct http_exchange *x, struct slice piece, void *user)
{
    struct call_relay *r = user;
    r->body_bytes += (int64_t)piece.len;
    if (r->body_bytes > r->body_max) {
        struct err err;
        err_set(&err, ERR_PAYLOAD_TOO_LARGE, "the body is above its limit of %lld bytes",
                (long long)r->body_max);
        http_call_cancel(&r->call);
        r->status = r->status ? r->status : err_http_status(ERR_PAYLOAD_TOO_LARGE);
        fail(r, &err);
        return;
    }
    if (http_call_write(r->call, piece) > HTTP_CALL_HIGH_WATER)
        http_exchange_pause(x);
}

static void on_request_end(struct http_exchange *x, const struct err *err, void *user)
{
    struct call_relay *r = user;
    (void)x;
    if (err == NULL) {
        http_call_body_end(r->call);
        return;
    }
    struct err copy = *err; /* it lives in the exchange, which ends */
    http_call_cancel(&r->call);
    r->status = r->status ? r->status : err_http_status(copy.code);
    fail(r, &copy);
}

static const struct http_body_events BODY_EVENTS = {on_request_data, on_request_end};

static void on_writable(struct http_call *c, void *user)
{
    struct call_relay *r = user;
    (void)c;
    http_exchange_resume(r->x);
}

/* ---- the answer ---- */

static void on_head(struct http_call *c, const struct http_call_head *head, void *user)
{
    struct call_relay *r = user;
    (void)c;
    r->status = head->status;
    http_exchange_on_gone(r->x, NULL, NULL); /* the caller may wish for it itself */
    if (r->events->on_head != NULL && !r->events->on_head(r->x, head, r->user)) {
        http_call_cancel(&r->call);
        free(r);
        return;
    }
    for (unsigned i = 0; i < head->field_count; i++) {
        if (relay_field_comes_out(head->fields, head->field_count, head->fields[i].name) &&
            !is_kept_back(head->fields[i].name))
            http_reply_field(r->x, head->fields[i].name, head->fields[i].value);
    }
    http_exchange_on_gone(r->x, on_gone, r);
    http_reply_begin(r->x, head->status, head->content_length);
}

static void on_drained(struct http_exchange *x, void *user)
{
    struct call_relay *r = user;
    (void)x;
    http_call_resume(r->call);
}

static void on_data(struct http_call *c, struct slice piece, void *user)
{
    struct call_relay *r = user;
    if (http_reply_write(r->x, piece) <= HTTP_REPLY_HIGH_WATER || http_exchange_gone(r->x))
        return;
    http_call_pause(c);
    http_reply_on_drain(r->x, on_drained, r);
}

static void on_end(struct http_call *c, const struct http_call_result *result, void *user)
{
    struct call_relay *r = user;
    (void)c;
    r->call = NULL;
    if (result->err != NULL) {
        fail(r, result->err);
        return;
    }
    http_reply_end(r->x);
    done(r, NULL);
}

/* ---- start ---- */

static void fail_early(void *user)
{
    struct call_relay *r = user;
    struct err err = r->early;
    fail(r, &err);
}

static int start_call(struct call_relay *r, struct http_caller *h,
                      const struct call_relay_request *req)
{
    const struct http_head *head = http_exchange_head(r->x);
    struct http_call_request out = {
        .method = req->method,
        .url = req->url,
        .tls = req->tls,
        .body = req->has_body ? req->body : (struct slice){0},
        .connect_ms = req->connect_ms,
        .idle_ms = req->idle_ms,
        .on_data = on_data,
        .on_head = on_head,
        .on_writable = on_writable,
        .shares = req->shares,
        .body_streamed = r->streams_up,
        .content_length = head->content_length,
    };
    if (r->streams_up && head->content_length > req->body_max)
        return err_set(&r->early, ERR_PAYLOAD_TOO_LARGE,
                       "the body is above its limit of %lld bytes", (long long)req->body_max);
    char **lines = request_lines(r->x, req, &out.header_count);
    out.headers = (const char *const *)lines;
    int rc = http_call_start(h, &out, on_end, r, &r->call, &r->early);
    for (unsigned i = 0; i < out.header_count; i++)
        free(lines[i]);
    free(lines);
    return rc;
}

void call_relay_start(struct http_exchange *x, struct http_caller *h,
                      const struct call_relay_request *req, const struct call_relay_events *events,
                      void *user)
{
    struct call_relay *r = mem_alloc(sizeof(*r));
    r->x = x;
    r->events = events;
    r->user = user;
    r->body_max = req->body_max;
    r->streams_up = !req->has_body && http_exchange_has_body(x);
    if (start_call(r, h, req) < 0) {
        loop_defer(http_exchange_loop(x), fail_early, r);
        return;
    }
    http_exchange_on_gone(x, on_gone, r);
    if (r->streams_up)
        http_exchange_stream(x, &BODY_EVENTS, r);
}
