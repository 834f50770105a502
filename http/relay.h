/* relay.h - an exchange passed through to an upstream and its answer back, both bodies streamed
 * with back-pressure.
 *
 * Strips hop-by-hop fields and what they name (RFC 9110 §7.6.1), Host, Authorization,
 * X-API-Key, X-Accel-*, Set-Cookie from pods; adds what the caller gives. Ends the exchange on
 * every path: the upstream's answer, or a problem (502, 504), or a cut connection when the
 * answer had begun. Body bytes are never parsed. */
#pragma once
#include "http/http_server.h"
#include "http/upstream.h"

struct relay_request {
    enum http_method method;
    struct slice target;               /* path?query at the upstream */
    const struct http_header *headers; /* added to what passes from the client */
    unsigned header_count;
    int64_t head_ms; /* both as in upstream.h: from the last byte of a body */
    int64_t total_ms;
    int64_t body_max; /* of the request; beyond: 413 */
};

struct relay_events {
    /* The answer's head, before it goes to the client; may add reply fields by http_reply_header().
     * NULL-able. */
    void (*on_head)(struct http_exchange *x, const struct http_head *head, void *user);
    /* Exactly once, at the end; the exchange is ended. status 0: no answer came; sent as in
     * upstream.h. NULL-able. */
    void (*on_done)(int status, const struct err *err, bool sent, void *user);
    /* No answer came: what the client is told; may change *err. `sent` as in upstream.h. NULL-able.
     */
    void (*on_fail)(struct err *err, bool sent, void *user);
    /* Asked first: true when this answer is not to go to the client. The relay is over then,
     * without on_done, and the exchange is the caller's again, to be ended in a later turn. For
     * requests without a body. NULL-able. */
    bool (*declines)(const struct http_head *head, void *user);
};

void relay_start(struct http_exchange *x, struct upstream *u, const struct upstream_target *target,
                 const struct relay_request *req, const struct relay_events *events, void *user);
