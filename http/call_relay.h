/* call_relay.h - an exchange passed through to another gateway by http_call (TLS, HTTP/2) and its
 * answer back, both bodies streamed with back-pressure. What relay.h is towards pods.
 *
 * Fields pass as in relay.h; in addition nothing named Spillway-*, X-Session-Id, X-Forwarded-For,
 * Forwarded or Cookie goes in from the client. Ends the exchange on every path, but where on_head
 * says that the caller goes on with it. */
#pragma once
#include "http/http_call.h"
#include "http/http_server.h"

struct call_relay_request {
    const char *method;
    const char *url;
    const struct http_header *headers; /* added to what passes from the client, and win over it */
    unsigned header_count;
    struct http_call_tls tls;
    bool has_body; /* `body` goes instead of what the client still sends */
    struct slice body;
    int64_t body_max; /* of the client's; beyond: 413 */
    int64_t connect_ms;
    int64_t idle_ms; /* no byte in either direction for so long */
    bool shares;     /* its answer is short: see http_call.h */
};

struct call_relay_events {
    /* The answer's head, before it goes to the client; may add reply fields. False: the answer is
     * dropped, the exchange stays open and is the caller's again; nothing more is called.
     * NULL-able.
     */
    bool (*on_head)(struct http_exchange *x, const struct http_call_head *head, void *user);
    /* Exactly once, unless on_head took the exchange; it is ended. status 0: no answer came, `err`
     * says why. `err` NULL: all went well. */
    void (*on_done)(int status, const struct err *err, void *user);
    /* No answer came: what the client is told; may change *err. NULL-able. */
    void (*on_fail)(struct err *err, void *user);
};

void call_relay_start(struct http_exchange *x, struct http_caller *h,
                      const struct call_relay_request *req, const struct call_relay_events *events,
                      void *user);
