/* http_connection.h - inside of the server: one client's connection and its one exchange (not
 * for other rooms).
 *
 * Split: http_server.c listens and accepts · http_connection.c moves bytes and deadlines ·
 *        http_exchange.c is the request side a handler sees · http_reply.c the reply side.
 * Life:  a connection is freed when its socket is closed, its exchange has been ended by the
 *        handler and no deferred turn is outstanding; so an exchange stays valid for a handler
 *        whose client is gone.
 * Turns: turn() is the only place that feeds the parser and calls handlers.
 *        Everything else changes state and asks for a turn, which is why no callback runs
 *        before the call that asked for it returned. */
#pragma once
#include "base/fsm.h"
#include "http/http_deadline.h"
#include "http/http_in.h"
#include "http/http_out.h"
#include "http/http_reply.h"
#include "http/http_server.h"
#include <uv.h>

#define HTTP_READ_BYTES    ((size_t)64 * 1024)  /* one read, and what may wait unparsed */
#define HTTP_DISCARD_BYTES ((int64_t)64 * 1024) /* of a body nobody asked for */
#define HTTP_ID_MAX        ((size_t)64)
#define HTTP_FIELDS_MAX    ((size_t)64 * 1024)

/* Where the body of the request is. FAILED: it will never be whole; the connection closes behind
 * the reply. */
#define HTTP_BODY_STATES(X)                                                                        \
    X(HTTP_BODY, NONE, FSM_TO(HTTP_BODY_UNASKED) | FSM_TO(HTTP_BODY_FAILED))                       \
    X(HTTP_BODY, UNASKED,                                                                          \
      FSM_TO(HTTP_BODY_READING) | FSM_TO(HTTP_BODY_DONE) | FSM_TO(HTTP_BODY_DISCARD) |             \
          FSM_TO(HTTP_BODY_FAILED))                                                                \
    X(HTTP_BODY, READING,                                                                          \
      FSM_TO(HTTP_BODY_PAUSED) | FSM_TO(HTTP_BODY_DONE) | FSM_TO(HTTP_BODY_DISCARD) |              \
          FSM_TO(HTTP_BODY_FAILED))                                                                \
    X(HTTP_BODY, PAUSED,                                                                           \
      FSM_TO(HTTP_BODY_READING) | FSM_TO(HTTP_BODY_DONE) | FSM_TO(HTTP_BODY_DISCARD) |             \
          FSM_TO(HTTP_BODY_FAILED))                                                                \
    X(HTTP_BODY, DISCARD, FSM_TO(HTTP_BODY_DONE) | FSM_TO(HTTP_BODY_FAILED))                       \
    X(HTTP_BODY, DONE, FSM_TO(HTTP_BODY_NONE) | FSM_TO(HTTP_BODY_FAILED))                          \
    X(HTTP_BODY, FAILED, 0)

enum http_body_state { HTTP_BODY_STATES(FSM_ENUM) };
extern const struct fsm_table HTTP_BODY_TABLE;

/* The socket. FLUSHING: the last reply goes out; LINGER: our side is shut, theirs is read over so
 * that no reset eats the reply. */
#define HTTP_LINE_STATES(X)                                                                        \
    X(HTTP_LINE, OPEN, FSM_TO(HTTP_LINE_FLUSHING) | FSM_TO(HTTP_LINE_CLOSED))                      \
    X(HTTP_LINE, FLUSHING, FSM_TO(HTTP_LINE_LINGER) | FSM_TO(HTTP_LINE_CLOSED))                    \
    X(HTTP_LINE, LINGER, FSM_TO(HTTP_LINE_CLOSED))                                                 \
    X(HTTP_LINE, CLOSED, 0)

enum http_line_state { HTTP_LINE_STATES(FSM_ENUM) };
extern const struct fsm_table HTTP_LINE_TABLE;

enum http_reply_state { HTTP_REPLY_OPEN, HTTP_REPLY_BEGUN, HTTP_REPLY_ENDED };

struct http_exchange {
    bool open;                    /* the handler has it */
    const struct http_head *head; /* NULL: refused before it had one */
    struct fsm body;
    int64_t body_bytes; /* read so far */
    struct err fail;    /* why the body is FAILED */
    bool continue_due;  /* the client waits for 100 Continue */
    char request_id[HTTP_ID_MAX + 1];
    char session_id[HTTP_ID_MAX + 1];

    http_collected_f *collected; /* one of the two readers */
    const struct http_body_events *events;
    void *body_user;
    struct buf collect;
    bool end_told;

    http_handler_f *gone_fn;
    void *gone_user;
    http_handler_f *drain_fn;
    void *drain_user;
    bool above_high;

    enum http_reply_state reply;
    bool reply_chunked;
    bool reply_bodyless;
    int64_t reply_left; /* announced and not yet written; -1: not announced */
    struct buf fields;  /* added by http_reply_header() */
};

struct http_connection {
    struct http_server *server;
    struct http_connection *prev, *next;
    union {
        uv_handle_t any;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } handle;
    struct http_parser *parser;
    struct http_exchange x;
    struct fsm line;
    bool keep; /* another request may follow */
    bool gone; /* the client is not there any more */
    bool reading;
    bool shut; /* uv_shutdown() was asked for */
    bool handle_closed;
    bool head_ready; /* a head came: the handler is due */
    bool turning;    /* inside turn() */
    bool turn_due;   /* one is deferred */
    bool refused;    /* one too many: takes no place of another's */

    struct http_in in; /* not yet parsed */
    struct http_out out;
    uv_shutdown_t shutdown_req;

    struct http_deadline deadline; /* the nearest of those below */
    int64_t phase_since; /* of the phase whose deadline runs: idle, head, body, discard, silence */
    int64_t body_spent_ms; /* reading the body, before this phase */
    bool head_timed;
    int64_t write_since;
    int64_t linger_until;
    size_t lingered;
    size_t turn_bytes; /* read since the last turn of its own */
};

struct http_server {
    struct loop *loop;
    struct world *world;
    struct http_server_conf conf;
    http_handler_f *handler;
    void *user;
    struct http_listener *listeners;
    struct http_connection *connections;
    unsigned connection_count;
    unsigned refused_count;  /* of them */
    unsigned listener_count; /* open handles */
    bool draining;
    bool freed;
    loop_f *drained;
    void *drained_user;
    char date[48];     /* "Date: …\r\n" of this second */
    int64_t date_ms;   /* when it was made */
    char *read_buffer; /* shared: what is left of a read is copied into `kept` */
};

/* ---- http_connection.c ---- */
enum http_accept { HTTP_ACCEPT, HTTP_ACCEPT_REFUSE /* with a 503 */, HTTP_ACCEPT_CLOSE };
/* Takes the client that waits on the listener. */
void http_connection_accept(struct http_server *s, uv_stream_t *listener, bool is_pipe,
                            enum http_accept how);
/* Runs what is due, later in this turn of the loop. */
void http_connection_wake(struct http_connection *c);
/* Sends `parts`, now if `now` and nothing waits before them, else with the next flush. Copies what
 * does not go out. */
void http_connection_send(struct http_connection *c, const uv_buf_t *parts, unsigned count,
                          bool now);
size_t http_connection_waiting(const struct http_connection *c);
/* Whether the rest of a body nobody wants is small enough to be read over. */
bool http_connection_may_discard(const struct http_connection *c);
/* Closes the socket at once. */
void http_connection_cut(struct http_connection *c);
/* The exchange has been ended by its owner: `x` may be freed in here. */
void http_connection_ended(struct http_connection *c);
void http_connection_body_fail(struct http_connection *c, enum err_code code, const char *what);
/* Time spent reading the body counts, time paused does not. */
void http_connection_body_clock(struct http_connection *c, bool running);

/* ---- http_exchange.c ---- */
void http_exchange_init(struct http_exchange *x);
void http_exchange_reset(struct http_exchange *x);
void http_exchange_fini(struct http_exchange *x);
void http_exchange_take_body(struct http_exchange *x, struct slice piece);
/* Calls what is due to the handler: end of the body, client gone, drained. True when something was
 * called. */
bool http_exchange_tell(struct http_exchange *x);
bool http_exchange_is_due(const struct http_exchange *x);

/* ---- http_reply.c ---- */
/* As http_reply_header() for bytes that were parsed as a field, and so are clean. */
void http_reply_field(struct http_exchange *x, struct slice name, struct slice value);

/* ---- http_server.c ---- */
void http_server_forget(struct http_connection *c);
const char *http_server_date(struct http_server *s);

static inline struct http_connection *http_exchange_connection(const struct http_exchange *x)
{
    return container_of((struct http_exchange *)(uintptr_t)x, struct http_connection, x);
}
