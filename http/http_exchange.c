/* http_exchange.c - the request side of an exchange: its head, its body, and what its handler is
 * told. */
#include "http/http_connection.h"

#include "base/mem.h"
#include <stdio.h>

#define KEEP_BYTES ((size_t)1024) /* of an exchange's memory for the next on its connection */

static const char CONTINUE[] = "HTTP/1.1 100 Continue\r\n\r\n";

void http_exchange_init(struct http_exchange *x)
{
    fsm_init(&x->body, &HTTP_BODY_TABLE, HTTP_BODY_NONE);
    buf_init(&x->fields, HTTP_FIELDS_MAX);
    buf_init(&x->collect, 0);
    x->reply_left = -1;
}

void http_exchange_reset(struct http_exchange *x)
{
    x->open = false;
    x->head = NULL;
    x->body_bytes = 0;
    x->continue_due = false;
    x->request_id[0] = '\0';
    x->session_id[0] = '\0';
    x->collected = NULL;
    x->events = NULL;
    x->end_told = false;
    x->gone_fn = NULL;
    x->drain_fn = NULL;
    x->above_high = false;
    x->reply = HTTP_REPLY_OPEN;
    x->reply_chunked = false;
    x->reply_bodyless = false;
    x->reply_left = -1;
    buf_fini(&x->collect);
    if (x->fields.cap > KEEP_BYTES) {
        buf_fini(&x->fields);
        buf_init(&x->fields, HTTP_FIELDS_MAX);
    }
    buf_clear(&x->fields);
}

void http_exchange_fini(struct http_exchange *x)
{
    buf_fini(&x->collect);
    buf_fini(&x->fields);
}

/* ---- plain questions ---- */

const struct http_head *http_exchange_head(const struct http_exchange *x)
{
    return x->head;
}

static bool is_request_id(struct slice s)
{
    if (s.len == 0 || s.len > HTTP_ID_MAX)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!word && c != '.' && c != '_' && c != '-')
            return false;
    }
    return true;
}

const char *http_exchange_request_id(const struct http_exchange *x)
{
    struct http_connection *c = http_exchange_connection(x);
    char *id = c->x.request_id; /* made when first asked for: most requests need none */
    struct slice theirs = {NULL, 0};
    if (id[0] != '\0')
        return id;
    if (x->head != NULL)
        theirs = http_head_get(x->head, "X-Request-Id");
    if (is_request_id(theirs))
        memcpy(id, theirs.at, theirs.len);
    else
        world_random_hex(c->server->world, id, 16);
    id[is_request_id(theirs) ? theirs.len : 32] = '\0';
    return id;
}

void http_exchange_set_session_id(struct http_exchange *x, const char *session_id)
{
    size_t len = strnlen(session_id, sizeof(x->session_id) - 1);
    memcpy(x->session_id, session_id, len);
    x->session_id[len] = '\0';
}

const char *http_exchange_session_id(const struct http_exchange *x)
{
    return x->session_id[0] != '\0' ? x->session_id : NULL;
}

struct loop *http_exchange_loop(const struct http_exchange *x)
{
    return http_exchange_connection(x)->server->loop;
}

bool http_exchange_gone(const struct http_exchange *x)
{
    return http_exchange_connection(x)->gone;
}

bool http_exchange_has_body(const struct http_exchange *x)
{
    return x->head->chunked || x->head->content_length > 0;
}

void http_exchange_on_gone(struct http_exchange *x, http_handler_f *fn, void *user)
{
    x->gone_fn = fn;
    x->gone_user = user;
    if (fn != NULL && http_exchange_gone(x))
        http_connection_wake(http_exchange_connection(x));
}

/* ---- the body ---- */

static void ask(struct http_exchange *x)
{
    struct http_connection *c = http_exchange_connection(x);
    INVARIANT(x->open && !x->end_told);
    if (x->body.state == HTTP_BODY_UNASKED) {
        fsm_move(&x->body, HTTP_BODY_READING);
        http_connection_body_clock(c, true);
        http_parser_resume(c->parser);
        if (x->continue_due && c->in.window.len == 0 && x->reply == HTTP_REPLY_OPEN) {
            uv_buf_t part = http_out_part(CONTINUE, sizeof(CONTINUE) - 1);
            http_connection_send(c, &part, 1, true);
        }
        x->continue_due = false;
    }
    http_connection_wake(c);
}

static void fail_too_large(struct http_exchange *x)
{
    char what[96];
    snprintf(what, sizeof(what), "the body is above its limit of %zu bytes", x->collect.max);
    http_connection_body_fail(http_exchange_connection(x), ERR_PAYLOAD_TOO_LARGE, what);
}

void http_exchange_collect(struct http_exchange *x, size_t max, http_collected_f *fn, void *user)
{
    INVARIANT(x->collected == NULL && x->events == NULL);
    x->collected = fn;
    x->body_user = user;
    buf_init(&x->collect, max);
    if (x->head->content_length > 0 && (uint64_t)x->head->content_length > max)
        fail_too_large(x);
    ask(x);
}

void http_exchange_stream(struct http_exchange *x, const struct http_body_events *events,
                          void *user)
{
    INVARIANT(x->collected == NULL && x->events == NULL);
    x->events = events;
    x->body_user = user;
    ask(x);
}

void http_exchange_pause(struct http_exchange *x)
{
    struct http_connection *c = http_exchange_connection(x);
    if (x->body.state != HTTP_BODY_READING)
        return;
    fsm_move(&x->body, HTTP_BODY_PAUSED);
    http_connection_body_clock(c, false);
    http_parser_pause(c->parser);
}

void http_exchange_resume(struct http_exchange *x)
{
    struct http_connection *c = http_exchange_connection(x);
    if (x->body.state != HTTP_BODY_PAUSED)
        return;
    fsm_move(&x->body, HTTP_BODY_READING);
    http_connection_body_clock(c, true);
    http_parser_resume(c->parser);
    http_connection_wake(c);
}

void http_exchange_take_body(struct http_exchange *x, struct slice piece)
{
    x->body_bytes += (int64_t)piece.len;
    if (x->body.state == HTTP_BODY_DISCARD) {
        if (x->body_bytes > HTTP_DISCARD_BYTES)
            http_connection_body_fail(http_exchange_connection(x), ERR_PAYLOAD_TOO_LARGE,
                                      "the rest of the body is too long to be read over");
    } else if (!x->open) {
        return; /* the reply ended while this piece was on its way */
    } else if (x->events != NULL) {
        x->events->on_data(x, piece, x->body_user);
    } else if (!buf_add(&x->collect, piece.at, piece.len)) {
        fail_too_large(x);
    }
}

/* ---- what the handler is told ---- */

static bool is_drained(const struct http_exchange *x)
{
    return x->above_high && x->drain_fn != NULL &&
           http_connection_waiting(http_exchange_connection(x)) < HTTP_REPLY_HIGH_WATER / 4;
}

static bool body_is_over(const struct http_exchange *x)
{
    bool asked = x->collected != NULL || x->events != NULL;
    return asked && !x->end_told &&
           (x->body.state == HTTP_BODY_DONE || x->body.state == HTTP_BODY_FAILED);
}

bool http_exchange_is_due(const struct http_exchange *x)
{
    return x->open && (body_is_over(x) || is_drained(x));
}

static void tell_end(struct http_exchange *x)
{
    const struct err *err = x->body.state == HTTP_BODY_FAILED ? &x->fail : NULL;
    x->end_told = true;
    if (x->events != NULL) {
        x->events->on_end(x, err, x->body_user);
        return;
    }
    struct slice body = err == NULL ? buf_slice(&x->collect) : (struct slice){NULL, 0};
    x->collected(x, body, err, x->body_user);
    buf_fini(&x->collect);
    buf_init(&x->collect, 0);
}

bool http_exchange_tell(struct http_exchange *x)
{
    struct http_connection *c = http_exchange_connection(x);
    if (!x->open || c->head_ready) /* nobody has it (yet) */
        return false;
    if (c->gone && x->body.state != HTTP_BODY_DONE)
        http_connection_body_fail(c, ERR_BAD_REQUEST, "the client closed the connection");
    if (body_is_over(x)) {
        tell_end(x);
    } else if (c->gone && x->gone_fn != NULL) {
        http_handler_f *fn = x->gone_fn;
        x->gone_fn = NULL;
        fn(x, x->gone_user);
    } else if (is_drained(x)) {
        x->above_high = false;
        x->drain_fn(x, x->drain_user);
    } else {
        return false;
    }
    return true;
}
