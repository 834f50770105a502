/* http_reply.h - the reply side of an exchange: one-shot, or streamed with back-pressure.
 *
 * Exactly one of http_reply(), http_reply_json(), problem_reply() or begin…end/abort ends an
 * exchange; the exchange is gone for the caller when the ending call returns. Names are ours;
 * values with CR, LF or NUL are a broken invariant. */
#pragma once
#include "http/http_server.h"

struct json_t;

/* Adds a field to the reply; before the ending call or http_reply_begin(). Copies. */
void http_reply_header(struct http_exchange *x, const char *name, const char *value);
void http_reply_header_int(struct http_exchange *x, const char *name, int64_t value);

/* Whole reply. Content-Length is set; HEAD sends none of the body. content_type NULL: no body type
 * (e.g. 204). */
void http_reply(struct http_exchange *x, int status, const char *content_type, struct slice body);
void http_reply_json(struct http_exchange *x, int status, struct json_t *body /* takes */);

/* Streamed. length -1: chunked (or until close, for HTTP/1.0). */
void http_reply_begin(struct http_exchange *x, int status, int64_t length);
/* Copies. Returns the bytes that wait to be sent on this connection: above HTTP_REPLY_HIGH_WATER
 * stop until on_drain. */
size_t http_reply_write(struct http_exchange *x, struct slice piece);
/* Called when the waiting bytes fell below the low water after they were above the high one. */
void http_reply_on_drain(struct http_exchange *x, http_handler_f *fn, void *user);
void http_reply_end(struct http_exchange *x);
/* The reply cannot be completed: the connection is cut so that the client sees it. */
void http_reply_abort(struct http_exchange *x);
bool http_reply_begun(const struct http_exchange *x);

#define HTTP_REPLY_HIGH_WATER ((size_t)256 * 1024)
