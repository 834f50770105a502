/* upstream.h - our own keep-alive client pool for the data path (gateway → agent): HTTP/1.1
 * over TCP, no TLS, streaming.
 *
 * Ownership: a call is the pool's; the caller's pointer is valid until on_end or on_fail ran or
 *            upstream_cancel() returned.
 * Callbacks: exactly one of on_end/on_fail ends a call, never before upstream_start() returned;
 *            none after cancel.
 * Retry:     a request that went out on a kept connection which was already closed by the other
 *            side (no byte of answer, no body streamed) is sent once more on a fresh one — for
 *            GET only; others fail with sent = true.
 * Safety:    bytes behind the end of an answer, or before a request, poison the connection: it
 *            is closed, not reused. Connection-level fields never reach the caller's head … the
 *            relay strips them (relay.h). */
#pragma once
#include "base/err.h"
#include "base/loop.h"
#include "http/http_message.h"

struct upstream;
struct upstream_call;

struct upstream_conf {
    int64_t connect_ms;
    int64_t idle_ms;         /* how long a kept connection may lie */
    unsigned per_target_max; /* connections to one target; more wait, at most queue_max */
    unsigned queue_max;
    struct http_limits limits; /* of answers */
};
extern const struct upstream_conf UPSTREAM_CONF_DEFAULT; /* 2 s, 60 s, 64, 256 */

struct upstream_target {
    uint16_t port;
    char host[46]; /* numeric address */
};

struct upstream_request {
    enum http_method method;
    struct slice target; /* path?query, copied */
    const struct http_header
        *headers; /* clean (http_message.h); copied; Host and framing are added */
    unsigned header_count;
    struct slice body;      /* whole body, copied; or … */
    bool body_streamed;     /* … comes by upstream_write(); */
    int64_t content_length; /* of a streamed body, -1: chunked */
    /* Until the answer's head and its end, 0: no limit. From the start; with a streamed body from
     * the last byte of it that was given, and not while all of those went out. */
    int64_t head_ms;
    int64_t total_ms;
};

struct upstream_events {
    void (*on_head)(struct upstream_call *c, const struct http_head *head,
                    void *user); /* 1xx are not shown */
    void (*on_data)(struct upstream_call *c, struct slice piece, void *user);
    void (*on_end)(struct upstream_call *c, void *user);
    /* err: ERR_UPSTREAM, ERR_DEADLINE, ERR_OVERLOADED. sent: a byte of the request may have reached
     * the other side. */
    void (*on_fail)(struct upstream_call *c, const struct err *err, bool sent, void *user);
    void (*on_writable)(struct upstream_call *c,
                        void *user); /* the request body may go on; NULL-able */
};

struct upstream *upstream_new(struct loop *l, const struct upstream_conf *conf) CHECK_RESULT;
void upstream_free(struct upstream **u); /* cancels all */
int upstream_start(struct upstream *u, const struct upstream_target *target,
                   const struct upstream_request *req, const struct upstream_events *events,
                   void *user, struct upstream_call **out, struct err *err) CHECK_RESULT;
size_t upstream_write(struct upstream_call *c,
                      struct slice piece); /* bytes waiting; above 256 KiB wait for on_writable */
void upstream_body_end(struct upstream_call *c);
void upstream_pause(struct upstream_call *c); /* no on_data until resume */
void upstream_resume(struct upstream_call *c);
void upstream_cancel(struct upstream_call **c);
/* A byte of the request may have reached the other side. */
bool upstream_call_sent(const struct upstream_call *c);
/* Closes kept connections to a target (its pod is gone: the address may be another's soon). */
void upstream_forget(struct upstream *u, const struct upstream_target *target);

/* Small call, whole answer: status and body (borrowed during the callback), or err. */
typedef void upstream_fetched_f(int status, struct slice body, const struct err *err, bool sent,
                                void *user);
struct upstream_fetch;
int upstream_fetch_start(struct upstream *u, const struct upstream_target *target,
                         const struct upstream_request *req, size_t body_max,
                         upstream_fetched_f *fn, void *user, struct upstream_fetch **out,
                         struct err *err) CHECK_RESULT;
void upstream_fetch_cancel(struct upstream_fetch **f);
