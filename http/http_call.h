/* http_call.h - outgoing control calls (Kubernetes API, remote gateways) on the loop (the only
 * room that knows libcurl).
 *
 * Connections are reused; TLS is always verified. Every call has a total deadline, a stream an
 * idle limit.
 * Callbacks: `done` exactly once and never before http_call_start() returned; not at all after
 *            http_call_cancel() or when the start failed. on_data (streams) any number of times
 *            before it. */
#pragma once
#include "base/err.h"
#include "base/loop.h"
#include "http/http_call_head.h"
#include "http/http_message.h"

struct http_caller;
struct http_call;

struct http_call_tls {
    const char *ca_file;   /* NULL: the system's */
    const char *cert_file; /* client certificate, NULL-able */
    const char *key_file;
};

struct http_call_result {
    int status;            /* 0: no answer */
    struct slice body;     /* borrowed; empty for streams */
    int64_t retry_after_s; /* from Retry-After in seconds, -1: none */
    int64_t date_ms;       /* from Date, Unix time; 0: none */
    const struct err *err; /* NULL when an answer came, whatever its status: ERR_UPSTREAM,
                              ERR_DEADLINE, ERR_UNAVAILABLE (no connection) */
};
typedef void http_call_done_f(struct http_call *c, const struct http_call_result *result,
                              void *user);

struct http_call_request {
    const char *method; /* copied, like all below */
    const char *url;
    const char *const *headers; /* "Name: value" */
    unsigned header_count;
    struct slice body;
    struct http_call_tls tls;
    const char *proxy_url; /* NULL-able */
    int64_t connect_ms;    /* 0: 2 s */
    int64_t total_ms;      /* 0: no limit (streams only) */
    int64_t idle_ms;       /* streams: no byte for so long ends it with ERR_DEADLINE; 0: no limit */
    size_t reply_max;      /* of a whole answer */
    /* A stream: bytes of a 2xx answer as they come; other answers are collected. NULL: collect. */
    void (*on_data)(struct http_call *c, struct slice piece, void *user);
    /* The answer's head, before the rest. With on_data every answer is streamed behind it, whatever
     * its status. NULL-able. */
    void (*on_head)(struct http_call *c, const struct http_call_head *head, void *user);
    bool
        shares; /* a stream that is short, so that it may share a connection with others (HTTP/2) */
    /* A request body that comes by http_call_write() and ends with http_call_body_end(). */
    bool body_streamed;
    int64_t content_length;                               /* of it; -1: chunked */
    void (*on_writable)(struct http_call *c, void *user); /* it may go on; NULL-able */
};

#define HTTP_CALL_HIGH_WATER ((size_t)256 * 1024)

struct http_caller *http_caller_new(struct loop *l) CHECK_RESULT;
void http_caller_free(struct http_caller **h); /* cancels all */
int http_call_start(struct http_caller *h, const struct http_call_request *req,
                    http_call_done_f *done, void *user, struct http_call **out,
                    struct err *err) CHECK_RESULT;
void http_call_cancel(struct http_call **c);
/* Copies; the bytes that wait: above HTTP_CALL_HIGH_WATER wait for on_writable. */
size_t http_call_write(struct http_call *c, struct slice piece);
void http_call_body_end(struct http_call *c);
/* No on_data until resume; what was read already waits in the connection. */
void http_call_pause(struct http_call *c);
void http_call_resume(struct http_call *c);
