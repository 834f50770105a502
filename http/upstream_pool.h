/* upstream_pool.h - inside of upstream: pool, targets, connections, calls (not for other rooms).
 *
 * Split: upstream.c is the interface, the pool and its queues · upstream_conn.c one connection
 *        and the call it carries · upstream_fetch.c whole small answers.
 * Turns: turn() in upstream_conn.c is the only place that parses and calls back. Calls from
 *        outside change state and ask for a turn, which is why no callback runs inside of them. */
#pragma once
#include "base/fsm.h"
#include "http/http_deadline.h"
#include "http/http_in.h"
#include "http/http_out.h"
#include "http/upstream.h"
#include <uthash.h>
#include <uv.h>

#define UPSTREAM_HIGH_WATER ((size_t)256 * 1024)
#define UPSTREAM_READ_BYTES ((size_t)64 * 1024)
#define UPSTREAM_SPARE_MAX  4u

#define UPSTREAM_CONN_STATES(X)                                                                    \
    X(UPSTREAM_CONN, CONNECTING, FSM_TO(UPSTREAM_CONN_BUSY) | FSM_TO(UPSTREAM_CONN_CLOSED))        \
    X(UPSTREAM_CONN, BUSY, FSM_TO(UPSTREAM_CONN_IDLE) | FSM_TO(UPSTREAM_CONN_CLOSED))              \
    X(UPSTREAM_CONN, IDLE, FSM_TO(UPSTREAM_CONN_BUSY) | FSM_TO(UPSTREAM_CONN_CLOSED))              \
    X(UPSTREAM_CONN, CLOSED, 0)

enum upstream_conn_state { UPSTREAM_CONN_STATES(FSM_ENUM) };
extern const struct fsm_table UPSTREAM_CONN_FSM;

struct upstream_target_pool {
    struct upstream_target key;
    struct upstream *pool;
    struct upstream_conn *conns; /* all that are open */
    struct upstream_conn *idle;  /* the one used last first */
    struct upstream_call *queue; /* waiting for a connection, oldest first */
    unsigned conn_count;
    unsigned queue_count;
    unsigned closing; /* closed, their handles not yet */
    UT_hash_handle hh;
    size_t host_line_len;
    char host_line[]; /* " HTTP/1.1\r\nHost: …\r\n", the same for every call */
};

struct upstream {
    struct loop *loop;
    struct world *world;
    struct upstream_conf conf;
    struct upstream_target_pool *targets;
    struct timer *queue_timer;                     /* runs while calls wait in queues */
    struct http_parser *spare[UPSTREAM_SPARE_MAX]; /* parsers that no answer needs now */
    unsigned spare_count;
    bool queue_ticking;
    bool freed;
    char *read_buffer;
};

struct upstream_call {
    struct upstream_target_pool *target;
    struct upstream_conn *conn; /* NULL: in the queue */
    struct upstream_call *prev, *next;
    const struct upstream_events *events;
    void *user;
    struct buf head;             /* kept: a retry sends it again */
    struct buf body;             /* what was given before there was a connection */
    void (*dropped)(void *user); /* the pool is freed: NULL-able, for the rest of this room */
    bool idempotent;             /* a GET without body: may be sent again */
    bool no_reply_body;
    bool chunked;
    bool body_open; /* upstream_body_end() is still to come */
    bool retried;
    bool sent;   /* a byte may have reached the other side */
    bool headed; /* on_head was called */
    bool paused;
    bool above_high;
    int64_t head_ms, total_ms; /* deadlines, 0: none */
    int64_t head_at, total_at;
};

struct upstream_conn {
    struct upstream_target_pool *target;
    struct upstream_conn *prev, *next;           /* all */
    struct upstream_conn *idle_prev, *idle_next; /* idle */
    struct fsm state;
    uv_tcp_t tcp;
    struct http_parser *parser; /* NULL but while an answer comes: most connections wait for one */
    struct http_in in;
    struct http_out out;
    struct http_deadline deadline;
    struct upstream_call *call;
    int64_t since;     /* connecting or idle */
    size_t turn_bytes; /* read since the last turn of its own */
    unsigned informational;
    bool keep;        /* may carry another call, as far as the messages say */
    bool doomed;      /* its target was forgotten */
    bool used;        /* carried one before */
    bool answering;   /* a byte of this answer was seen */
    bool answered;    /* the answer is complete */
    bool skip_answer; /* what was parsed is a 1xx */
    bool reading;
    bool eof;
    bool broken; /* `fail` says why, NULL: its caller left */
    bool turning;
    bool turn_due;
    bool handle_closed;
    struct err *fail;
};

/* ---- upstream_conn.c ---- */
struct upstream_conn *upstream_conn_open(struct upstream_target_pool *t);
/* The connection carries the call from now on; it is idle, or connecting without a call. */
void upstream_conn_carry(struct upstream_conn *c, struct upstream_call *call);
bool upstream_conn_alive(const struct upstream_conn *c);
void upstream_conn_wake(struct upstream_conn *c);
void upstream_conn_close(struct upstream_conn *c);
int upstream_conn_send(struct upstream_conn *c, const uv_buf_t *parts, unsigned count, bool now);
/* ---- upstream.c ---- */
void upstream_call_free(struct upstream_call *call);
/* The call's deadlines count from now. */
void upstream_call_begin(struct upstream_call *call);
void upstream_call_fail(struct upstream_call *call, const struct err *err);
/* A fresh connection for a call whose kept one was dead. */
void upstream_call_retry(struct upstream_call *call);
/* A connection became free, or went: the next in the queue. */
void upstream_next(struct upstream_target_pool *t);
void upstream_conn_gone(struct upstream_target_pool *t);
