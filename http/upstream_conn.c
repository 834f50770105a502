/* upstream_conn.c - one connection to a target, and the call it carries. */
#include "http/upstream_pool.h"

#include "base/mem.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <utlist.h>

#define INFORMATIONAL_MAX 8u   /* 1xx answers before the real one */
#define FRESH_MS          1000 /* so long a kept connection is trusted without a look */

static const struct fsm_state CONN_STATES[] = {UPSTREAM_CONN_STATES(FSM_STATE)};
const struct fsm_table UPSTREAM_CONN_FSM = {"upstream_conn", CONN_STATES, ARRAY_LEN(CONN_STATES)};

static void turn(struct upstream_conn *c);

static int64_t now_ms(const struct upstream_conn *c)
{
    return world_now_ms(c->target->pool->world);
}

static void break_with(struct upstream_conn *c, enum err_code code, const char *what)
{
    if (c->broken)
        return;
    c->broken = true;
    c->fail = mem_alloc(sizeof(*c->fail));
    err_set(c->fail, code, "%s", what); /* not where: clients read it */
    upstream_conn_wake(c);
}

/* ---- life ---- */

static void maybe_free(struct upstream_conn *c)
{
    struct upstream_target_pool *t = c->target;
    if (!c->handle_closed || c->turning || c->turn_due)
        return;
    INVARIANT(c->call == NULL);
    http_parser_free(&c->parser);
    http_out_fini(&c->out);
    http_in_clear(&c->in);
    free(c->fail);
    free(c);
    t->closing--;
    upstream_conn_gone(t);
}

static void on_closed(uv_handle_t *h)
{
    struct upstream_conn *c = h->data;
    c->handle_closed = true;
    maybe_free(c);
}

void upstream_conn_close(struct upstream_conn *c)
{
    struct upstream_target_pool *t = c->target;
    if (c->state.state == UPSTREAM_CONN_CLOSED)
        return;
    if (c->state.state == UPSTREAM_CONN_IDLE)
        DL_DELETE2(t->idle, c, idle_prev, idle_next);
    fsm_move(&c->state, UPSTREAM_CONN_CLOSED);
    DL_DELETE(t->conns, c);
    t->conn_count--;
    t->closing++;
    c->reading = false;
    http_deadline_fini(&c->deadline);
    uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void turn_deferred(void *user)
{
    struct upstream_conn *c = user;
    c->turn_due = false;
    c->turn_bytes = 0;
    turn(c);
}

void upstream_conn_wake(struct upstream_conn *c)
{
    if (c->turning || c->turn_due)
        return;
    c->turn_due = true;
    loop_defer(c->target->pool->loop, turn_deferred, c);
}

/* ---- the way out ---- */

/* A write error is not yet the end: an early answer may lie in the receive buffer. Reading finds
 * out. */
int upstream_conn_send(struct upstream_conn *c, const uv_buf_t *parts, unsigned count, bool now)
{
    int rc = http_out_send(&c->out, parts, count, now);
    if (rc < 0)
        c->keep = false;
    if (!now)
        upstream_conn_wake(c); /* the turn's end flushes */
    return rc;
}

static void on_written(struct http_out *o, int status, void *user)
{
    struct upstream_conn *c = user;
    (void)o;
    if (c->state.state == UPSTREAM_CONN_CLOSED)
        return;
    if (status < 0)
        c->keep = false;
    turn(c);
}

static void send_request(struct upstream_conn *c)
{
    struct upstream_call *call = c->call;
    uv_buf_t parts[2] = {http_out_part(call->head.data, call->head.len),
                         http_out_part(call->body.data, call->body.len)};
    call->sent = true;
    c->keep = true;
    /* A streamed body's first piece usually comes in the same turn and shares the write. */
    (void)upstream_conn_send(c, parts, call->body.len > 0 ? 2 : 1, !call->body_open);
    buf_fini(&call->body);
    buf_init(&call->body, 0);
}

void upstream_conn_carry(struct upstream_conn *c, struct upstream_call *call)
{
    c->call = call;
    call->conn = c;
    if (c->state.state == UPSTREAM_CONN_IDLE) {
        DL_DELETE2(c->target->idle, c, idle_prev, idle_next);
        fsm_move(&c->state, UPSTREAM_CONN_BUSY);
        send_request(c);
    }
    upstream_conn_wake(c);
}

/* A look into the receive buffer saves a request from going out on a connection that the other side
 * closed meanwhile. */
bool upstream_conn_alive(const struct upstream_conn *c)
{
    char byte;
    uv_os_fd_t fd;
    if (now_ms(c) - c->since < FRESH_MS)
        return true;
    if (uv_fileno((const uv_handle_t *)&c->tcp, &fd) < 0)
        return false;
    ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n < 0 && (errno == EAGAIN);
}

/* ---- the way in ---- */

static void on_head(struct http_parser *p, const struct http_head *head, void *user)
{
    struct upstream_conn *c = user;
    (void)p;
    if (c->call == NULL)
        return;
    c->skip_answer = head->status < 200;
    if (c->skip_answer) {
        if (head->status == 101 || ++c->informational > INFORMATIONAL_MAX)
            break_with(c, ERR_UPSTREAM, "the answer has unexpected 1xx heads");
        return;
    }
    c->keep = c->keep && head->keep_alive;
    c->call->headed = true;
    c->call->events->on_head(c->call, head, c->call->user);
}

static void on_body(struct http_parser *p, struct slice piece, void *user)
{
    struct upstream_conn *c = user;
    (void)p;
    if (c->call != NULL && !c->skip_answer)
        c->call->events->on_data(c->call, piece, c->call->user);
}

static void on_end(struct http_parser *p, void *user)
{
    struct upstream_conn *c = user;
    (void)p;
    c->answered = true;
}

static const struct http_parser_events PARSER_EVENTS = {on_head, on_body, on_end};

static void take_parser(struct upstream_conn *c)
{
    struct upstream *u = c->target->pool;
    if (u->spare_count > 0)
        c->parser = u->spare[--u->spare_count];
    else
        c->parser = http_parser_new(HTTP_PARSE_RESPONSES, &u->conf.limits, &PARSER_EVENTS, NULL);
    http_parser_serve(c->parser, c);
    if (c->call->no_reply_body)
        http_parser_expect_no_body(c->parser);
}

static void give_parser(struct upstream_conn *c)
{
    struct upstream *u = c->target->pool;
    http_parser_reset(c->parser);
    if (u->spare_count < UPSTREAM_SPARE_MAX)
        u->spare[u->spare_count++] = c->parser;
    else
        http_parser_free(&c->parser);
    c->parser = NULL;
}

static void feed(struct upstream_conn *c)
{
    struct err err;
    size_t used = 0;
    if (c->parser == NULL)
        take_parser(c);
    c->answering = true;
    int rc = http_parser_feed(c->parser, c->in.window, &used, &err);
    http_in_drop(&c->in, used);
    if (rc < 0)
        break_with(c, ERR_UPSTREAM, err.msg);
}

static void reset_answer(struct upstream_conn *c)
{
    give_parser(c);
    c->answered = c->skip_answer = false;
}

/* The answer is complete: frees the connection for the next call, or closes it, and then tells the
 * caller. */
static void finish_call(struct upstream_conn *c)
{
    struct upstream_call *call = c->call;
    bool in_step = c->in.window.len == 0 && !call->body_open && http_out_empty(&c->out);
    c->call = NULL;
    call->conn = NULL;
    if (c->keep && !c->doomed && in_step && !c->eof) {
        reset_answer(c);
        c->used = true;
        c->answering = false;
        c->informational = 0;
        c->since = now_ms(c);
        fsm_move(&c->state, UPSTREAM_CONN_IDLE);
        DL_PREPEND2(c->target->idle, c, idle_prev, idle_next);
    } else {
        upstream_conn_close(c);
    }
    call->events->on_end(call, call->user);
    upstream_call_free(call);
}

/* What the connection died of becomes the call's end, or its second try. */
static void lose_call(struct upstream_conn *c)
{
    struct upstream_call *call = c->call;
    bool stale = c->used && !c->answering && c->fail->code == ERR_UPSTREAM;
    struct err fail = *c->fail;
    c->call = NULL;
    call->conn = NULL;
    upstream_conn_close(c);
    if (stale && call->idempotent && !call->retried)
        upstream_call_retry(call);
    else
        upstream_call_fail(call, &fail);
}

static void end_of_input(struct upstream_conn *c)
{
    struct err err;
    c->eof = false;
    c->keep = false;
    if (c->parser != NULL && http_parser_finish(c->parser, &err) < 0)
        break_with(c, ERR_UPSTREAM, "the answer is cut off");
    else if (!c->answered)
        break_with(c, ERR_UPSTREAM, "the connection was closed without an answer");
}

static bool has_room(const struct upstream_conn *c)
{
    return c->state.state == UPSTREAM_CONN_BUSY && c->call != NULL && c->call->above_high &&
           http_out_waiting(&c->out) < UPSTREAM_HIGH_WATER / 4;
}

static bool tell_room(struct upstream_conn *c)
{
    struct upstream_call *call = c->call;
    if (!has_room(c))
        return false;
    call->above_high = false;
    if (call->events->on_writable == NULL)
        return false;
    call->events->on_writable(call, call->user);
    return true;
}

/* One step forward; false when there is none to take. */
static bool step(struct upstream_conn *c)
{
    if (c->state.state == UPSTREAM_CONN_CLOSED)
        return false;
    if (c->call == NULL) { /* idle, or its caller left: whatever comes belongs to nobody */
        bool lost = c->state.state == UPSTREAM_CONN_BUSY || c->in.window.len > 0 || c->eof;
        if (lost || c->broken)
            upstream_conn_close(c);
        return false;
    }
    if (c->broken) {
        lose_call(c);
    } else if (c->answered && c->skip_answer) {
        reset_answer(c);
    } else if (c->answered) {
        finish_call(c);
    } else if (c->in.window.len > 0 && !c->call->paused) {
        feed(c);
    } else if (c->eof && c->in.window.len == 0 && !c->call->paused) {
        end_of_input(c);
    } else {
        return tell_room(c);
    }
    return true;
}

/* ---- deadlines ---- */

/* The other side has taken all there is of the request: what it waits for is not its fault. */
static bool waits_for_caller(const struct upstream_conn *c)
{
    return c->call->body_open && http_out_empty(&c->out);
}

static int64_t next_deadline(const struct upstream_conn *c)
{
    const struct upstream_conf *conf = &c->target->pool->conf;
    int64_t at = HTTP_DEADLINE_NONE;
    if (c->state.state == UPSTREAM_CONN_IDLE)
        return c->since + conf->idle_ms;
    if (c->state.state == UPSTREAM_CONN_CONNECTING)
        at = c->since + conf->connect_ms;
    if (c->call == NULL || waits_for_caller(c))
        return at;
    if (!c->call->headed && c->call->head_at < at)
        at = c->call->head_at;
    if (c->call->total_at < at)
        at = c->call->total_at;
    return at;
}

static void on_timer(void *user)
{
    struct upstream_conn *c = user;
    http_deadline_fired(&c->deadline);
    if (now_ms(c) >= next_deadline(c)) {
        bool connecting = c->state.state == UPSTREAM_CONN_CONNECTING &&
                          now_ms(c) >= c->since + c->target->pool->conf.connect_ms;
        if (c->state.state == UPSTREAM_CONN_IDLE)
            upstream_conn_close(c);
        else if (connecting)
            break_with(c, ERR_UPSTREAM, "no connection in time");
        else
            break_with(c, ERR_DEADLINE, "no complete answer in time");
    }
    turn(c);
}

/* ---- turns ---- */

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *out)
{
    struct upstream_conn *c = h->data;
    (void)suggested;
    *out = uv_buf_init(c->target->pool->read_buffer, (unsigned)UPSTREAM_READ_BYTES);
}

static void rest(struct upstream_conn *c)
{
    c->reading = false;
    uv_read_stop((uv_stream_t *)&c->tcp);
    upstream_conn_wake(c); /* that turn reads on */
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct upstream_conn *c = stream->data;
    if (n == 0)
        return;
    if (n < 0) {
        c->eof = true;
        c->reading = false;
        uv_read_stop(stream);
    } else {
        http_in_add(&c->in, buf->base, (size_t)n);
        c->turn_bytes += (size_t)n;
    }
    turn(c);
    if (c->turn_bytes >= HTTP_IN_TURN_BYTES && c->reading)
        rest(c);
}

/* An idle connection is read too: that is how its end is seen. */
static void settle(struct upstream_conn *c)
{
    if (http_out_flush(&c->out) < 0)
        c->keep = false;
    bool connected = c->state.state != UPSTREAM_CONN_CONNECTING;
    bool want = connected && !c->eof && c->in.window.len == 0 && !(c->call && c->call->paused);
    if (want && !c->reading) {
        c->reading = true;
        if (uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) < 0)
            c->reading = false;
    } else if (!want && c->reading) {
        c->reading = false;
        uv_read_stop((uv_stream_t *)&c->tcp);
    }
    http_deadline_set(&c->deadline, next_deadline(c));
}

static void turn(struct upstream_conn *c)
{
    struct upstream_target_pool *t = c->target;
    if (c->turning)
        return;
    c->turning = true;
    t->closing++; /* the target stays while we are in here */
    do {
        while (step(c))
            ;
        if (c->state.state != UPSTREAM_CONN_CLOSED)
            settle(c);
    } while (has_room(c)); /* flushing may have made the room that a writer waits for */
    if (c->state.state == UPSTREAM_CONN_CLOSED)
        http_in_clear(&c->in);
    else
        http_in_keep(&c->in);
    c->turning = false;
    maybe_free(c);
    upstream_next(t);
    t->closing--;
    upstream_conn_gone(t);
}

/* ---- connecting ---- */

static void on_connect(uv_connect_t *req, int status)
{
    struct upstream_conn *c = req->data;
    free(req);
    if (c->state.state == UPSTREAM_CONN_CLOSED)
        return;
    if (status < 0) {
        break_with(c, ERR_UPSTREAM, uv_strerror(status));
    } else {
        fsm_move(&c->state, UPSTREAM_CONN_BUSY);
        uv_tcp_nodelay(&c->tcp, 1);
        if (c->call != NULL)
            send_request(c);
    }
    turn(c);
}

static int address_of(const struct upstream_target *t, struct sockaddr_storage *out)
{
    if (strchr(t->host, ':') != NULL)
        return uv_ip6_addr(t->host, t->port, (struct sockaddr_in6 *)out);
    return uv_ip4_addr(t->host, t->port, (struct sockaddr_in *)out);
}

static int begin_connect(struct upstream_conn *c)
{
    struct sockaddr_storage to = {0};
    int rc = address_of(&c->target->key, &to);
    if (rc < 0)
        return rc;
    uv_connect_t *req = mem_alloc(sizeof(*req)); /* not kept as long as the connection is */
    req->data = c;
    rc = uv_tcp_connect(req, &c->tcp, (struct sockaddr *)&to, on_connect);
    if (rc < 0)
        free(req);
    return rc;
}

struct upstream_conn *upstream_conn_open(struct upstream_target_pool *t)
{
    struct upstream_conn *c = mem_alloc(sizeof(*c));
    c->target = t;
    fsm_init(&c->state, &UPSTREAM_CONN_FSM, UPSTREAM_CONN_CONNECTING);
    uv_tcp_init(loop_uv(t->pool->loop), &c->tcp);
    c->tcp.data = c;
    http_out_init(&c->out, (uv_stream_t *)&c->tcp, on_written, c);
    http_deadline_init(&c->deadline, t->pool->world, on_timer, c);
    c->since = now_ms(c);
    DL_APPEND(t->conns, c);
    t->conn_count++;
    int rc = begin_connect(c);
    if (rc < 0)
        break_with(c, ERR_UPSTREAM, uv_strerror(rc));
    upstream_conn_wake(c);
    return c;
}
