/* problem.h - RFC 9457 problems from the table base/err.def: how errors reach clients. */
#pragma once
#include "base/err.h"
#include "http/http_reply.h"

/* What the client asked for, where a gateway hands its request to an agent: that is the problem's
 * instance then, not the agent's own path. A relay sets it. */
#define PROBLEM_INSTANCE_FIELD "Spillway-Instance"
#define PROBLEM_INSTANCE_MAX   255

/* Ends the exchange with application/problem+json: type, title, status, detail, instance, code,
 * request_id, session_id,
 * retry_after (and Retry-After). Never shows more than err->msg. */
void problem_reply(struct http_exchange *x, const struct err *err);
/* problem_reply() with code and message in one call. */
void problem_replyf(struct http_exchange *x, enum err_code code, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* The same JSON into a buffer, for those who are not a server. */
void problem_print(struct buf *out, const struct err *err, const char *instance,
                   const char *request_id, const char *session_id);
