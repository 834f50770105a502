#include "http/http_connection.h"

#include "base/mem.h"
#include "http/problem.h"
#include <stdlib.h>
#include <utlist.h>

/* So long, and so much, a client may go on sending before it reads our last words. */
#define LINGER_MS        ((int64_t)10000)
#define LINGER_SILENT_MS ((int64_t)2000)
#define LINGER_BYTES     ((size_t)64 * 1024 * 1024)
#define DISCARD_MS       ((int64_t)1000) /* a reply may wait for it */

static const struct fsm_state BODY_STATES[] = {HTTP_BODY_STATES(FSM_STATE)};
const struct fsm_table HTTP_BODY_TABLE = {"http_body", BODY_STATES, ARRAY_LEN(BODY_STATES)};
static const struct fsm_state LINE_STATES[] = {HTTP_LINE_STATES(FSM_STATE)};
const struct fsm_table HTTP_LINE_TABLE = {"http_line", LINE_STATES, ARRAY_LEN(LINE_STATES)};

static void turn(struct http_connection *c);

static int64_t now_ms(const struct http_connection *c)
{
    return world_now_ms(c->server->world);
}

/* ---- life ---- */

static void maybe_free(struct http_connection *c)
{
    if (!c->handle_closed || c->x.open || c->turning || c->turn_due)
        return;
    http_server_forget(c);
    http_parser_free(&c->parser);
    http_exchange_fini(&c->x);
    http_out_fini(&c->out);
    http_in_clear(&c->in);
    free(c);
}

static void on_closed(uv_handle_t *h)
{
    struct http_connection *c = h->data;
    c->handle_closed = true;
    turn(c); /* tells the handler that the client is gone */
}

void http_connection_cut(struct http_connection *c)
{
    if (c->line.state == HTTP_LINE_CLOSED)
        return;
    fsm_move(&c->line, HTTP_LINE_CLOSED);
    c->keep = false;
    c->gone = true;
    c->reading = false;
    http_deadline_fini(&c->deadline);
    uv_close(&c->handle.any, on_closed);
}

static void turn_deferred(void *user)
{
    struct http_connection *c = user;
    c->turn_due = false;
    c->turn_bytes = 0;
    turn(c);
}

void http_connection_wake(struct http_connection *c)
{
    if (c->turning || c->turn_due)
        return;
    c->turn_due = true;
    loop_defer(c->server->loop, turn_deferred, c);
}

/* ---- writing ---- */

size_t http_connection_waiting(const struct http_connection *c)
{
    return c->line.state != HTTP_LINE_CLOSED ? http_out_waiting(&c->out) : 0;
}

static void on_written(struct http_out *o, int status, void *user)
{
    struct http_connection *c = user;
    (void)o;
    if (status < 0) {
        http_connection_cut(c);
        return;
    }
    c->write_since = now_ms(c);
    turn(c);
}

void http_connection_send(struct http_connection *c, const uv_buf_t *parts, unsigned count,
                          bool now)
{
    if (c->line.state == HTTP_LINE_CLOSED)
        return;
    bool quiet = http_out_empty(&c->out);
    if (http_out_send(&c->out, parts, count, now) < 0) {
        http_connection_cut(c);
    } else if (quiet && !http_out_empty(&c->out)) {
        c->write_since = now_ms(c);
        http_connection_wake(c); /* the turn's end flushes and sets the deadline */
    }
}

/* A reply that is ready before its request's short body was read waits for it: a proxy that gets an
 * answer while it still passes the body on closes its client's connection behind it. */
static bool waits_for_body(const struct http_connection *c)
{
    return c->x.body.state == HTTP_BODY_DISCARD && c->line.state == HTTP_LINE_OPEN;
}

static void flush(struct http_connection *c)
{
    if (!waits_for_body(c) && http_out_flush(&c->out) < 0)
        http_connection_cut(c);
}

/* ---- the end of the line ---- */

static void on_shutdown(uv_shutdown_t *req, int status)
{
    struct http_connection *c = req->data;
    if (status < 0)
        http_connection_cut(c);
}

/* Nothing more goes out. If the client may still be sending, a close now would reset the connection
 * and could eat our reply: so only our side is shut, and theirs is read over for a moment. */
static void finish_line(struct http_connection *c)
{
    bool theirs_done = c->x.body.state == HTTP_BODY_DONE || c->x.body.state == HTTP_BODY_NONE;
    if (c->gone || (theirs_done && c->in.window.len == 0)) {
        http_connection_cut(c);
        return;
    }
    fsm_move(&c->line, HTTP_LINE_LINGER);
    c->phase_since = now_ms(c);
    c->linger_until = c->phase_since + LINGER_MS;
    http_in_clear(&c->in);
    c->shutdown_req.data = c;
    if (uv_shutdown(&c->shutdown_req, &c->handle.stream, on_shutdown) < 0)
        http_connection_cut(c);
}

static void close_after_flush(struct http_connection *c)
{
    c->keep = false;
    if (c->line.state == HTTP_LINE_OPEN)
        fsm_move(&c->line, HTTP_LINE_FLUSHING);
}

/* ---- requests ---- */

static void on_head(struct http_parser *p, const struct http_head *head, void *user)
{
    struct http_connection *c = user;
    struct http_exchange *x = &c->x;
    x->open = true;
    x->head = head;
    x->continue_due = head->expect_continue;
    c->keep = head->keep_alive;
    c->head_ready = true;
    c->head_timed = false;
    c->body_spent_ms = 0;
    fsm_move(&x->body, HTTP_BODY_UNASKED);
    http_parser_pause(p); /* the handler runs before any byte of the body is looked at */
}

static void on_body(struct http_parser *p, struct slice piece, void *user)
{
    (void)p;
    http_exchange_take_body(&((struct http_connection *)user)->x, piece);
}

static void on_end(struct http_parser *p, void *user)
{
    struct http_connection *c = user;
    (void)p;
    if (c->x.body.state != HTTP_BODY_FAILED)
        fsm_move(&c->x.body, HTTP_BODY_DONE);
}

static const struct http_parser_events PARSER_EVENTS = {on_head, on_body, on_end};

/* A request that no handler sees: answered here. */
static void refuse(struct http_connection *c, const struct err *err)
{
    c->x.open = true;
    c->x.head = NULL;
    c->keep = false;
    http_connection_body_fail(c, err->code, err->msg);
    problem_reply(&c->x, err);
}

void http_connection_body_fail(struct http_connection *c, enum err_code code, const char *what)
{
    struct http_exchange *x = &c->x;
    if (x->body.state == HTTP_BODY_FAILED)
        return;
    fsm_move(&x->body, HTTP_BODY_FAILED);
    c->keep = false;
    err_set(&x->fail, code, "%s", what);
    http_parser_pause(c->parser);
    http_connection_wake(c);
}

static void feed(struct http_connection *c)
{
    struct err err;
    size_t used = 0;
    int rc = http_parser_feed(c->parser, c->in.window, &used, &err);
    http_in_drop(&c->in, used);
    if (rc == 0)
        return;
    if (c->x.body.state == HTTP_BODY_NONE)
        refuse(c, &err);
    else
        http_connection_body_fail(c, err.code, err.msg);
}

static bool wants_bytes(const struct http_connection *c)
{
    if (c->line.state != HTTP_LINE_OPEN)
        return false;
    switch (c->x.body.state) {
    case HTTP_BODY_NONE:
    case HTTP_BODY_READING:
    case HTTP_BODY_DISCARD:
        return true;
    default:
        return false;
    }
}

bool http_connection_may_discard(const struct http_connection *c)
{
    const struct http_exchange *x = &c->x;
    if (!c->keep || x->continue_due || x->head == NULL || c->server->draining)
        return false;
    return x->head->content_length - x->body_bytes <= HTTP_DISCARD_BYTES;
}

static void next_request(struct http_connection *c)
{
    fsm_move(&c->x.body, HTTP_BODY_NONE);
    http_exchange_reset(&c->x);
    http_parser_reset(c->parser);
    c->phase_since = now_ms(c);
}

/* The reply is complete: what about the request, and the connection? True when something changed.
 */
static bool finish_exchange(struct http_connection *c)
{
    struct http_exchange *x = &c->x;
    switch (x->body.state) {
    case HTTP_BODY_DONE:
        if (c->keep && !c->server->draining)
            next_request(c);
        else
            close_after_flush(c);
        return true;
    case HTTP_BODY_DISCARD: /* http_exchange_take_body() fails it when it grows too long */
        return false;
    case HTTP_BODY_FAILED:
        close_after_flush(c);
        return true;
    default:
        break;
    }
    if (!http_connection_may_discard(c)) {
        close_after_flush(c);
        return true;
    }
    fsm_move(&x->body, HTTP_BODY_DISCARD);
    x->body_bytes = 0;
    c->phase_since = now_ms(c);
    http_parser_resume(c->parser);
    return true;
}

/* One step forward; false when there is none to take. */
static bool advance(struct http_connection *c)
{
    if (c->head_ready) {
        c->head_ready = false;
        c->server->handler(&c->x, c->server->user);
        return true;
    }
    if (c->line.state != HTTP_LINE_OPEN)
        return false;
    if (!c->x.open && c->x.reply == HTTP_REPLY_ENDED && finish_exchange(c))
        return true;
    if (c->in.window.len > 0 && wants_bytes(c)) {
        feed(c);
        return true;
    }
    return false;
}

void http_connection_ended(struct http_connection *c)
{
    c->x.open = false;
    if (c->handle_closed)
        maybe_free(c);
    else
        http_connection_wake(c);
}

/* ---- deadlines ---- */

void http_connection_body_clock(struct http_connection *c, bool running)
{
    if (running)
        c->phase_since = now_ms(c);
    else
        c->body_spent_ms += now_ms(c) - c->phase_since;
}

static int64_t body_deadline(const struct http_connection *c)
{
    const struct http_server_conf *conf = &c->server->conf;
    int64_t earned_ms = c->x.body_bytes * 1000 / conf->body_rate;
    return c->phase_since + conf->body_ms + earned_ms - c->body_spent_ms;
}

static int64_t read_deadline(struct http_connection *c)
{
    const struct http_server_conf *conf = &c->server->conf;
    if (c->line.state == HTTP_LINE_LINGER) {
        int64_t silent_until = c->phase_since + LINGER_SILENT_MS;
        return silent_until < c->linger_until ? silent_until : c->linger_until;
    }
    if (c->line.state != HTTP_LINE_OPEN)
        return HTTP_DEADLINE_NONE;
    switch (c->x.body.state) {
    case HTTP_BODY_NONE:
        return c->phase_since + (c->head_timed ? conf->header_ms : conf->idle_ms);
    case HTTP_BODY_READING:
        return body_deadline(c);
    case HTTP_BODY_DISCARD:
        return c->phase_since + DISCARD_MS;
    default:
        return HTTP_DEADLINE_NONE;
    }
}

static int64_t write_deadline(const struct http_connection *c)
{
    return c->out.flight != NULL ? c->write_since + c->server->conf.write_ms : HTTP_DEADLINE_NONE;
}

static void arm(struct http_connection *c)
{
    int64_t read_at = read_deadline(c);
    int64_t write_at = write_deadline(c);
    http_deadline_set(&c->deadline, read_at < write_at ? read_at : write_at);
}

static void read_too_late(struct http_connection *c)
{
    struct err err;
    bool in_head = c->line.state == HTTP_LINE_OPEN && c->x.body.state == HTTP_BODY_NONE;
    if (in_head && c->head_timed) {
        err_set(&err, ERR_REQUEST_TIMEOUT, "the header fields did not arrive within %lld ms",
                (long long)c->server->conf.header_ms);
        refuse(c, &err);
    } else if (c->line.state == HTTP_LINE_OPEN && c->x.body.state == HTTP_BODY_READING) {
        http_connection_body_fail(c, ERR_REQUEST_TIMEOUT, "the body did not arrive in time");
    } else if (waits_for_body(c)) {
        http_connection_body_fail(c, ERR_REQUEST_TIMEOUT, "the body did not arrive in time");
    } else {
        http_connection_cut(c);
    }
}

static void on_timer(void *user)
{
    struct http_connection *c = user;
    int64_t now = now_ms(c);
    http_deadline_fired(&c->deadline);
    if (now >= write_deadline(c)) {
        if (!http_out_moved(&c->out)) {
            http_connection_cut(c);
            return;
        }
        c->write_since = now;
    }
    if (now >= read_deadline(c))
        read_too_late(c);
    turn(c);
}

/* ---- turns ---- */

/* The client sends no more. With an exchange open that means it is gone: whoever half-closes and
 * waits is not served. */
static void on_end_of_input(struct http_connection *c, ssize_t why)
{
    bool unsent = !http_out_empty(&c->out);
    if (why != UV_EOF || c->x.open || c->line.state == HTTP_LINE_LINGER || !unsent) {
        http_connection_cut(c);
        return;
    }
    c->gone = true;
    close_after_flush(c);
    turn(c);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *out)
{
    struct http_connection *c = h->data;
    (void)suggested;
    *out = uv_buf_init(c->server->read_buffer, (unsigned)HTTP_READ_BYTES);
}

static void rest(struct http_connection *c)
{
    c->reading = false;
    uv_read_stop(&c->handle.stream);
    http_connection_wake(c); /* that turn reads on */
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct http_connection *c = stream->data;
    if (n < 0) {
        on_end_of_input(c, n);
    } else if (c->line.state != HTTP_LINE_OPEN) {
        c->phase_since = now_ms(c);
        c->lingered += (size_t)n;
        if (c->lingered > LINGER_BYTES)
            http_connection_cut(c);
    } else if (n > 0) {
        http_in_add(&c->in, buf->base, (size_t)n);
        turn(c);
        c->turn_bytes += (size_t)n;
        if (c->turn_bytes >= HTTP_IN_TURN_BYTES && c->reading)
            rest(c);
    }
}

/* Reading goes on while an exchange is open, into a bounded window: that is how a client is seen to
 * go. */
static void settle_reading(struct http_connection *c)
{
    bool want = c->line.state == HTTP_LINE_OPEN ? c->in.window.len < HTTP_READ_BYTES : !c->gone;
    if (want == c->reading)
        return;
    c->reading = want;
    if (!want)
        uv_read_stop(&c->handle.stream);
    else if (uv_read_start(&c->handle.stream, on_alloc, on_read) < 0)
        http_connection_cut(c);
}

/* After a turn: everything goes out, reading fits the state, the next deadline is set. */
static void settle(struct http_connection *c)
{
    bool between = c->x.body.state == HTTP_BODY_NONE && c->line.state == HTTP_LINE_OPEN;
    flush(c);
    if (between && http_parser_idle(c->parser) && c->server->draining)
        close_after_flush(c);
    if (c->line.state == HTTP_LINE_FLUSHING && http_out_empty(&c->out))
        finish_line(c);
    if (c->line.state == HTTP_LINE_CLOSED)
        return;
    if (between && !c->head_timed && !http_parser_idle(c->parser)) {
        c->head_timed = true;
        c->phase_since = now_ms(c);
    }
    settle_reading(c);
    if (c->line.state != HTTP_LINE_CLOSED)
        arm(c);
}

static void turn(struct http_connection *c)
{
    if (c->turning)
        return;
    c->turning = true;
    do {
        while (http_exchange_tell(&c->x) || advance(c))
            ;
        if (c->line.state != HTTP_LINE_CLOSED)
            settle(c);
    } while (
        http_exchange_is_due(&c->x)); /* flushing may have made the room that a writer waits for */
    if (c->line.state == HTTP_LINE_CLOSED)
        http_in_clear(&c->in);
    else
        http_in_keep(&c->in);
    c->turning = false;
    maybe_free(c);
}

/* ---- new clients ---- */

static struct http_connection *connection_new(struct http_server *s, bool is_pipe)
{
    struct http_connection *c = mem_alloc(sizeof(*c));
    uv_loop_t *uv = loop_uv(s->loop);
    c->server = s;
    if (is_pipe)
        uv_pipe_init(uv, &c->handle.pipe, 0);
    else
        uv_tcp_init(uv, &c->handle.tcp);
    c->handle.any.data = c;
    c->parser = http_parser_new(HTTP_PARSE_REQUESTS, &s->conf.limits, &PARSER_EVENTS, c);
    http_deadline_init(&c->deadline, s->world, on_timer, c);
    c->phase_since = now_ms(c);
    fsm_init(&c->line, &HTTP_LINE_TABLE, HTTP_LINE_OPEN);
    http_exchange_init(&c->x);
    http_out_init(&c->out, &c->handle.stream, on_written, c);
    DL_APPEND(s->connections, c);
    s->connection_count++;
    return c;
}

void http_connection_accept(struct http_server *s, uv_stream_t *listener, bool is_pipe,
                            enum http_accept how)
{
    struct http_connection *c = connection_new(s, is_pipe);
    if (uv_accept(listener, &c->handle.stream) < 0 || how == HTTP_ACCEPT_CLOSE) {
        http_connection_cut(c);
        return;
    }
    if (!is_pipe)
        uv_tcp_nodelay(&c->handle.tcp, 1);
    if (how == HTTP_ACCEPT_REFUSE) {
        struct err err;
        c->refused = true;
        s->refused_count++;
        err_set(&err, ERR_OVERLOADED, "%s has as many connections as it may, %u",
                s->conf.server_name, s->conf.connections_max);
        refuse(c, &err);
    }
    turn(c);
}
