/* http_message.h - HTTP/1.x messages from bytes, with limits (the only room that knows llhttp;
 * all its leniency off).
 *
 * Rules beyond llhttp: exactly one Host in HTTP/1.1 (RFC 9112 §3.2), no HTTP/0.9 or 1.2, no
 * Transfer-Encoding in 1.0, no CONNECT, origin-form targets only ("/…"; RFC 9112 §3.2.1),
 * header sizes and counts, no obs-fold. Used by http_server (requests) and upstream
 * (responses). Pure: no I/O, no clock. */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include <stdbool.h>
#include <stdint.h>

enum http_method {
    HTTP_METHOD_GET,
    HTTP_METHOD_HEAD,
    HTTP_METHOD_POST,
    HTTP_METHOD_PUT,
    HTTP_METHOD_PATCH,
    HTTP_METHOD_DELETE,
    HTTP_METHOD_OPTIONS,
    HTTP_METHOD_OTHER
};

struct http_header {
    struct slice name;
    struct slice value; /* without surrounding white space */
};

struct http_limits {
    size_t header_bytes; /* request line and all fields */
    unsigned headers;    /* how many fields */
    size_t target_bytes;
};
extern const struct http_limits HTTP_LIMITS_DEFAULT; /* 32 KiB, 100, 8 KiB */

/* Head of a message. All slices point into the message's own storage and live as long as it. */
struct http_head {
    enum http_method method;
    struct slice method_text;
    struct slice target; /* as sent: path?query */
    struct slice path;   /* as sent, before '?': no decoding */
    struct slice query;  /* behind '?', or empty */
    int status;          /* responses */
    int version_minor;   /* 0 or 1 */
    bool keep_alive;     /* the connection may serve another message */
    bool expect_continue;
    bool chunked;
    int64_t content_length; /* -1: none given */
    const struct http_header *headers;
    unsigned header_count;
};

/* First field of that name, {NULL,0} when absent. */
struct slice http_head_get(const struct http_head *h, const char *name);
/* Whether it may stand in a line of a head. What was parsed as a field is; it is not looked at
 * again when it passes. */
bool http_text_is_clean(struct slice text);
unsigned http_head_count(const struct http_head *h, const char *name);
/* Adds the field's line to a head. False: no room for it. */
bool http_head_add(struct buf *out, struct slice name, struct slice value);

/* A query parameter, percent-decoded into `out` (terminated). False when absent; -err in *bad when
 * malformed, too long, or there twice: who reads it elsewhere might take the other one. */
bool http_query_get(struct slice query, const char *name, char *out, size_t out_size, int *bad);
/* Whole-number parameter within [min,max]; *out untouched when absent. ERR_INVALID_ARGUMENT /
 * ERR_LIMIT_EXCEEDED. */
int http_query_int(struct slice query, const char *name, int64_t min, int64_t max, int64_t *out,
                   struct err *err) CHECK_RESULT;
int http_query_bool(struct slice query, const char *name, bool *out, struct err *err) CHECK_RESULT;
const char *http_status_text(int status);
const char *http_method_text(enum http_method method); /* "GET"; "OTHER" for what we do not know */

/* An incremental parser. Feed bytes; it calls back with the head, body pieces and the end. */
struct http_parser;
struct http_parser_events {
    /* The head is complete and valid. */
    void (*on_head)(struct http_parser *p, const struct http_head *head, void *user);
    void (*on_body)(struct http_parser *p, struct slice piece, void *user);
    void (*on_end)(struct http_parser *p, void *user);
};
enum http_parser_kind { HTTP_PARSE_REQUESTS, HTTP_PARSE_RESPONSES };

struct http_parser *http_parser_new(enum http_parser_kind kind, const struct http_limits *limits,
                                    const struct http_parser_events *events, void *user);
void http_parser_free(struct http_parser **p);
/* Whom the callbacks are told from now on; between two messages. */
void http_parser_serve(struct http_parser *p, void *user);
/* Consumes bytes up to the end of the message, or until http_parser_pause() was called in a
 * callback; *used tells how many. Negative err code: the message is bad (err has code and cause)
 * and the connection must close behind the answer. A message without a body, and one whose length
 * is known and reached, ends even when paused: nothing follows that could bring its end later. */
int http_parser_feed(struct http_parser *p, struct slice in, size_t *used,
                     struct err *err) CHECK_RESULT;
/* End of the stream: ends a response that it delimits; an error in the middle of a message. */
int http_parser_finish(struct http_parser *p, struct err *err) CHECK_RESULT;
void http_parser_pause(struct http_parser *p);
void http_parser_resume(struct http_parser *p);
/* Responses: the request was HEAD, so no body follows whatever the fields say. */
void http_parser_expect_no_body(struct http_parser *p);
/* Ready for the next message on the same connection; forgets the head. */
void http_parser_reset(struct http_parser *p);
bool http_parser_idle(const struct http_parser *p); /* no byte of a message seen yet */
