#include "http/upstream.h"

#include "base/mem.h"
#include "http/upstream_pool.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

const struct upstream_conf UPSTREAM_CONF_DEFAULT = {
    .connect_ms = 2000,
    .idle_ms = 60000,
    .per_target_max = 64,
    .queue_max = 256,
    .limits = {.header_bytes = (size_t)32 * 1024, .headers = 100, .target_bytes = (size_t)8 * 1024},
};

#define QUEUE_TICK_MS  ((int64_t)50)
#define HEAD_MAX       ((size_t)64 * 1024)
#define BODY_MAX       ((size_t)64 * 1024 * 1024)
#define HOST_LINE_SIZE 80
#define FRAMING_MAX    48 /* one field that says how long the body is */

static void on_queue_tick(void *user);

struct upstream *upstream_new(struct loop *l, const struct upstream_conf *conf)
{
    struct upstream *u = mem_alloc(sizeof(*u));
    (void)signal(SIGPIPE, SIG_IGN); /* a peer that goes away must not end the program */
    u->loop = l;
    u->world = loop_world(l);
    u->conf = *conf;
    u->read_buffer = mem_alloc(UPSTREAM_READ_BYTES);
    u->queue_timer = timer_new(u->world, on_queue_tick, u);
    return u;
}

/* ---- targets ---- */

/* The key is the port and what there is of the host: a host's end is not hashed. */
_Static_assert(offsetof(struct upstream_target, host) == sizeof(uint16_t), "nothing between");

static size_t key_len(const struct upstream_target *t)
{
    return offsetof(struct upstream_target, host) + strnlen(t->host, sizeof(t->host) - 1);
}

static struct upstream_target_pool *target_find(struct upstream *u, const struct upstream_target *t)
{
    struct upstream_target_pool *found;
    HASH_FIND(hh, u->targets, t, key_len(t), found);
    return found;
}

static size_t print_host_line(const struct upstream_target *t, char out[HOST_LINE_SIZE])
{
    bool v6 = strchr(t->host, ':') != NULL;
    return (size_t)snprintf(out, HOST_LINE_SIZE, " HTTP/1.1\r\nHost: %s%s%s:%u\r\n", v6 ? "[" : "",
                            t->host, v6 ? "]" : "", (unsigned)t->port);
}

static struct upstream_target_pool *target_get(struct upstream *u, const struct upstream_target *t)
{
    struct upstream_target_pool *p = target_find(u, t);
    if (p != NULL)
        return p;
    char host[HOST_LINE_SIZE];
    size_t len = print_host_line(t, host);
    p = mem_alloc(sizeof(*p) + len);
    memcpy(&p->key, t, key_len(t));
    memcpy(p->host_line, host, len);
    p->host_line_len = len;
    p->pool = u;
    HASH_ADD(hh, u->targets, key, key_len(t), p);
    return p;
}

static void pool_maybe_free(struct upstream *u)
{
    if (!u->freed || u->targets != NULL)
        return;
    while (u->spare_count > 0)
        http_parser_free(&u->spare[--u->spare_count]);
    free(u->read_buffer);
    free(u);
}

/* A target that nothing points to goes. */
void upstream_conn_gone(struct upstream_target_pool *t)
{
    struct upstream *u = t->pool;
    if (t->conn_count > 0 || t->closing > 0 || t->queue_count > 0)
        return;
    HASH_DEL(u->targets, t);
    free(t);
    pool_maybe_free(u);
}

/* ---- calls ---- */

void upstream_call_free(struct upstream_call *call)
{
    buf_fini(&call->head);
    buf_fini(&call->body);
    free(call);
}

void upstream_call_fail(struct upstream_call *call, const struct err *err)
{
    call->events->on_fail(call, err, call->sent, call->user);
    upstream_call_free(call);
}

static void queue_remove(struct upstream_call *call)
{
    DL_DELETE(call->target->queue, call);
    call->target->queue_count--;
}

void upstream_call_retry(struct upstream_call *call)
{
    call->retried = true;
    call->sent = false;
    upstream_conn_carry(upstream_conn_open(call->target), call);
}

/* A kept connection, the one used last first, if it still looks alive. */
static struct upstream_conn *take_idle(struct upstream_target_pool *t)
{
    while (t->idle != NULL) {
        if (upstream_conn_alive(t->idle))
            return t->idle;
        upstream_conn_close(t->idle);
    }
    return NULL;
}

void upstream_next(struct upstream_target_pool *t)
{
    while (t->queue != NULL) {
        struct upstream_call *call = t->queue;
        struct upstream_conn *c = take_idle(t);
        if (c == NULL && t->conn_count < t->pool->conf.per_target_max)
            c = upstream_conn_open(t);
        if (c == NULL)
            return;
        queue_remove(call);
        upstream_conn_carry(c, call);
    }
}

/* Fails one call that waited too long. Only one: its callback may change everything here. */
static bool fail_late(struct upstream_target_pool *t, int64_t now)
{
    struct upstream_call *call;
    DL_FOREACH(t->queue, call)
    {
        struct err err;
        if (now < call->head_at && now < call->total_at)
            continue;
        queue_remove(call);
        err_set(&err, ERR_DEADLINE, "no connection became free in time");
        t->closing++; /* the target, and with it the pool, outlive the callback */
        upstream_call_fail(call, &err);
        t->closing--;
        return true;
    }
    return false;
}

static void on_queue_tick(void *user)
{
    struct upstream *u = user;
    struct upstream_target_pool *t;
    struct upstream_target_pool *next;
    bool waiting = false;
    bool again = false;
    HASH_ITER (hh, u->targets, t, next) {
        again = fail_late(t, world_now_ms(u->world));
        waiting |= t->queue_count > 0;
        if (again) {
            bool freed = u->freed;
            upstream_conn_gone(t);
            if (freed)
                return;
            break;
        }
    }
    u->queue_ticking = waiting || again;
    if (u->queue_ticking)
        timer_start(u->world, u->queue_timer, again ? 0 : QUEUE_TICK_MS, 0);
}

/* ---- the request's head ---- */

static void add_framing(struct upstream_call *call, const struct upstream_request *req)
{
    if (req->body_streamed && req->content_length < 0) {
        call->chunked = true;
        buf_add_text(&call->head, "Transfer-Encoding: chunked\r\n");
    } else if (req->body_streamed) {
        buf_addf(&call->head, "Content-Length: %lld\r\n", (long long)req->content_length);
    } else if (req->body.len > 0 || req->method == HTTP_METHOD_POST ||
               req->method == HTTP_METHOD_PUT || req->method == HTTP_METHOD_PATCH) {
        buf_addf(&call->head, "Content-Length: %zu\r\n", req->body.len);
    }
}

static size_t head_len(const struct upstream_call *call, const struct upstream_request *req)
{
    size_t len = strlen(http_method_text(req->method)) + 1 + req->target.len +
                 call->target->host_line_len + 2;
    for (unsigned i = 0; i < req->header_count; i++)
        len += req->headers[i].name.len + req->headers[i].value.len + 4;
    return call->idempotent ? len : len + FRAMING_MAX;
}

/* It stays as long as the call waits: long, for most. */
static void write_head(struct upstream_call *call, const struct upstream_request *req)
{
    INVARIANT(req->method != HTTP_METHOD_OTHER && http_text_is_clean(req->target));
    buf_expect(&call->head, head_len(call, req));
    buf_add_text(&call->head, http_method_text(req->method));
    buf_add(&call->head, " ", 1);
    buf_add(&call->head, req->target.at, req->target.len);
    buf_add(&call->head, call->target->host_line, call->target->host_line_len);
    for (unsigned i = 0; i < req->header_count; i++)
        (void)http_head_add(&call->head, req->headers[i].name, req->headers[i].value);
    add_framing(call, req);
    buf_add(&call->head, "\r\n", 2);
}

static int64_t deadline_after(struct upstream *u, int64_t ms)
{
    return ms > 0 ? world_now_ms(u->world) + ms : HTTP_DEADLINE_NONE;
}

void upstream_call_begin(struct upstream_call *call)
{
    call->head_at = deadline_after(call->target->pool, call->head_ms);
    call->total_at = deadline_after(call->target->pool, call->total_ms);
}

static struct upstream_call *call_new(struct upstream_target_pool *t,
                                      const struct upstream_request *req,
                                      const struct upstream_events *events, void *user)
{
    struct upstream_call *call = mem_alloc(sizeof(*call));
    call->target = t;
    call->events = events;
    call->user = user;
    call->body_open = req->body_streamed;
    call->no_reply_body = req->method == HTTP_METHOD_HEAD;
    call->idempotent = req->method == HTTP_METHOD_GET && !req->body_streamed && req->body.len == 0;
    call->head_ms = req->head_ms;
    call->total_ms = req->total_ms;
    upstream_call_begin(call);
    buf_init(&call->head, HEAD_MAX);
    buf_init(&call->body, BODY_MAX);
    write_head(call, req);
    buf_add(&call->body, req->body.at, req->body.len);
    return call;
}

static void enqueue(struct upstream *u, struct upstream_call *call)
{
    DL_APPEND(call->target->queue, call);
    call->target->queue_count++;
    if (!u->queue_ticking) {
        u->queue_ticking = true;
        timer_start(u->world, u->queue_timer, QUEUE_TICK_MS, 0);
    }
}

int upstream_start(struct upstream *u, const struct upstream_target *target,
                   const struct upstream_request *req, const struct upstream_events *events,
                   void *user, struct upstream_call **out, struct err *err)
{
    struct upstream_target_pool *t = target_get(u, target);
    struct upstream_conn *kept = take_idle(t);
    bool room = kept != NULL || t->conn_count < u->conf.per_target_max;
    if (!room && t->queue_count >= u->conf.queue_max)
        return err_set(err, ERR_OVERLOADED, "%u requests wait already, the most there may be",
                       u->conf.queue_max);
    struct upstream_call *call = call_new(t, req, events, user);
    if (call->head.overflowed || call->body.overflowed) {
        upstream_call_free(call);
        upstream_conn_gone(t);
        return err_set(err, ERR_HEADERS_TOO_LARGE, "the request is too large to be passed on");
    }
    if (room)
        upstream_conn_carry(kept != NULL ? kept : upstream_conn_open(t), call);
    else
        enqueue(u, call);
    *out = call;
    return 0;
}

/* ---- a body that comes in pieces ---- */

/* Before there is a connection the bytes wait with the call. */
static size_t add_body(struct upstream_call *call, const uv_buf_t *parts, unsigned count, bool now)
{
    struct upstream_conn *c = call->conn;
    if (c != NULL && c->state.state == UPSTREAM_CONN_BUSY) {
        (void)upstream_conn_send(c, parts, count, now);
        return http_out_waiting(&c->out);
    }
    for (unsigned i = 0; i < count; i++)
        buf_add(&call->body, parts[i].base, parts[i].len);
    return call->body.len;
}

size_t upstream_write(struct upstream_call *call, struct slice piece)
{
    char size[20];
    size_t waiting;
    bool now = piece.len > 4096; /* what is small is gathered until the turn ends */
    INVARIANT(call->body_open);
    upstream_call_begin(call);
    if (call->chunked && piece.len > 0) {
        int len = snprintf(size, sizeof(size), "%zx\r\n", piece.len);
        uv_buf_t parts[3] = {http_out_part(size, (size_t)len), http_out_part(piece.at, piece.len),
                             http_out_part("\r\n", 2)};
        waiting = add_body(call, parts, 3, now);
    } else {
        uv_buf_t part = http_out_part(piece.at, piece.len);
        waiting = add_body(call, &part, 1, now);
    }
    call->above_high |= waiting > UPSTREAM_HIGH_WATER;
    return waiting;
}

void upstream_body_end(struct upstream_call *call)
{
    INVARIANT(call->body_open);
    call->body_open = false;
    upstream_call_begin(call);
    if (call->chunked) {
        uv_buf_t part = http_out_part("0\r\n\r\n", 5);
        (void)add_body(call, &part, 1, false);
    }
}

bool upstream_call_sent(const struct upstream_call *call)
{
    return call->sent;
}

/* ---- back-pressure and ends ---- */

void upstream_pause(struct upstream_call *call)
{
    call->paused = true;
    if (call->conn != NULL) {
        if (call->conn->parser != NULL)
            http_parser_pause(call->conn->parser);
        upstream_conn_wake(call->conn);
    }
}

void upstream_resume(struct upstream_call *call)
{
    call->paused = false;
    if (call->conn != NULL) {
        if (call->conn->parser != NULL)
            http_parser_resume(call->conn->parser);
        upstream_conn_wake(call->conn);
    }
}

void upstream_cancel(struct upstream_call **callp)
{
    struct upstream_call *call = *callp;
    if (call == NULL)
        return;
    *callp = NULL;
    struct upstream_target_pool *t = call->target;
    struct upstream_conn *c = call->conn;
    if (c != NULL) { /* its answer could come yet: the connection is of no use to others */
        c->call = NULL;
        c->broken = true;
        upstream_conn_wake(c);
    } else {
        queue_remove(call);
    }
    upstream_call_free(call);
    if (c == NULL)
        upstream_conn_gone(t);
}

void upstream_forget(struct upstream *u, const struct upstream_target *target)
{
    struct upstream_target_pool *t = target_find(u, target);
    struct upstream_conn *c;
    struct upstream_conn *next;
    if (t == NULL)
        return;
    DL_FOREACH_SAFE(t->conns, c, next)
    {
        c->doomed = true;
        if (c->state.state == UPSTREAM_CONN_IDLE)
            upstream_conn_close(c);
    }
}

static void drop(struct upstream_call *call)
{
    void (*dropped)(void *user) = call->dropped;
    void *user = call->user;
    upstream_call_free(call);
    if (dropped != NULL)
        dropped(user);
}

static void cancel_all(struct upstream_target_pool *t)
{
    struct upstream_conn *c;
    struct upstream_conn *next;
    while (t->queue != NULL) {
        struct upstream_call *call = t->queue;
        queue_remove(call);
        drop(call);
    }
    DL_FOREACH_SAFE(t->conns, c, next)
    {
        struct upstream_call *call = c->call;
        c->call = NULL;
        upstream_conn_close(c);
        if (call != NULL)
            drop(call);
    }
}

void upstream_free(struct upstream **up)
{
    struct upstream *u = *up;
    struct upstream_target_pool *t;
    struct upstream_target_pool *next;
    if (u == NULL)
        return;
    *up = NULL;
    timer_free(u->world, &u->queue_timer);
    HASH_ITER (hh, u->targets, t, next) {
        cancel_all(t);
        upstream_conn_gone(t);
    }
    u->freed = true; /* the memory goes with the last connection */
    pool_maybe_free(u);
}
