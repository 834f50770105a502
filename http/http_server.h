/* http_server.h - an HTTP/1.1 server on the loop (libuv): connections, limits, deadlines,
 * pipelining, drain.
 *
 * A request is an `exchange`. The handler is called when its head is complete, with the body
 * still unread.
 * Ownership: an exchange belongs to the handler until it has ended the reply (http_reply.h),
 *            which it must do exactly once on every path, also when the client has gone:
 *            replies to a client that is gone go nowhere. So an exchange pointer is safe to
 *            keep across asynchronous calls until the handler ends it, and never after.
 * Loop:      all on the loop. No callback runs before the call that asked for it returned.
 * Deadlines: header_ms for the whole head from its first byte, idle_ms between requests, write_ms
 *            without progress of a reply. The whole body has body_ms, and as much more as what
 *            came of it takes at body_rate, so that who sends steadily gets through and who drips
 *            does not; time spent paused by us does not count. Total, not per read. */
#pragma once
#include "base/err.h"
#include "base/loop.h"
#include "http/http_message.h"

struct http_server;
struct http_exchange;
struct sockaddr;
typedef void http_handler_f(struct http_exchange *x, void *user);

struct http_server_conf {
    struct http_limits limits;
    int64_t header_ms;
    int64_t body_ms;
    int64_t body_rate; /* bytes a second; above 0 */
    int64_t idle_ms;
    int64_t write_ms;
    unsigned connections_max; /* beyond: answered 503 and closed */
    const char *server_name;  /* for the log */
};
extern const struct http_server_conf
    HTTP_SERVER_CONF_DEFAULT; /* 10 s, 60 s, 64 KiB/s, 75 s, 30 s, 10000 */

struct http_server *http_server_new(struct loop *l, const struct http_server_conf *conf,
                                    http_handler_f *handler, void *user) CHECK_RESULT;
/* "127.0.0.1:8080", "[::1]:0", "unix:/path", "fd:3" (a listening socket handed over). May be called
 * several times. */
int http_server_listen(struct http_server *s, const char *address, struct err *err) CHECK_RESULT;
/* The port of the first TCP listener (for port 0). */
int http_server_port(const struct http_server *s);
/* Stops accepting, closes idle connections, lets running exchanges end (Connection: close). `done`
 * when none is left. */
void http_server_drain(struct http_server *s, loop_f *done, void *user);
/* Closes everything at once: exchanges that are open see their client gone. */
void http_server_free(struct http_server **s);
unsigned http_server_connections(const struct http_server *s);
/* Sockets handed over by the parent (systemd's LISTEN_FDS protocol): the fd named `name` in
 * LISTEN_FDNAMES, else -1. */
int http_server_inherited_fd(const char *name);

/* ---- the request side of an exchange ---- */
const struct http_head *http_exchange_head(const struct http_exchange *x);
/* 32 hex digits: the client's X-Request-Id if it is 1–64 of [A-Za-z0-9._-], else minted. */
const char *http_exchange_request_id(const struct http_exchange *x);
/* For problems and the log; copies. */
void http_exchange_set_session_id(struct http_exchange *x, const char *session_id);
const char *http_exchange_session_id(const struct http_exchange *x);
struct loop *http_exchange_loop(const struct http_exchange *x);
/* Tells once that the client closed its connection while the exchange was open. NULL takes the wish
 * back. */
void http_exchange_on_gone(struct http_exchange *x, http_handler_f *fn, void *user);
bool http_exchange_gone(const struct http_exchange *x);

/* Reads the whole body. `fn` gets it (borrowed during the call), or err: ERR_PAYLOAD_TOO_LARGE
 * (before more than max + 64 KiB were read),
 * ERR_REQUEST_TIMEOUT, ERR_BAD_REQUEST. Sends 100 Continue when the client waits for it. */
typedef void http_collected_f(struct http_exchange *x, struct slice body, const struct err *err,
                              void *user);
void http_exchange_collect(struct http_exchange *x, size_t max, http_collected_f *fn, void *user);

/* Streams the body. on_end gets err NULL at the clean end. After pause no on_data comes until
 * resume. */
struct http_body_events {
    void (*on_data)(struct http_exchange *x, struct slice piece, void *user);
    void (*on_end)(struct http_exchange *x, const struct err *err, void *user);
};
void http_exchange_stream(struct http_exchange *x, const struct http_body_events *events,
                          void *user);
void http_exchange_pause(struct http_exchange *x);
void http_exchange_resume(struct http_exchange *x);
bool http_exchange_has_body(const struct http_exchange *x);
