/* api_status.h - errors as Kubernetes says them: a Status object with code and reason. */
#pragma once
#include "base/cc.h"
#include "base/err.h"

struct http_exchange;
struct json_t;

/* The reasons this node uses, each with its HTTP code (table in api_status.c). */
enum api_reason {
    API_BAD_REQUEST,
    API_FORBIDDEN,
    API_NOT_FOUND,
    API_METHOD_NOT_ALLOWED,
    API_NOT_ACCEPTABLE,
    API_ALREADY_EXISTS,
    API_CONFLICT,
    API_EXPIRED,
    API_TOO_LARGE,
    API_UNSUPPORTED_MEDIA_TYPE,
    API_INVALID,
    API_INTERNAL_ERROR,
    API_REASONS
};

/* What the error is about; any may be NULL. */
struct api_subject {
    const char *resource; /* "pods" */
    const char *name;
    const char *uid;
};

struct json_t *api_status_build(enum api_reason reason, const struct api_subject *s,
                                struct json_t *causes /* takes, NULL-able */,
                                const char *message) CHECK_RESULT;
int api_status_code(enum api_reason reason);
/* End the exchange. */
void api_status_reply(struct http_exchange *x, enum api_reason reason, const struct api_subject *s,
                      const char *fmt, ...) PRINTF_LIKE(4, 5);
void api_status_reply_invalid(struct http_exchange *x, const char *kind, const char *name,
                              struct json_t *causes);
void api_status_reply_not_found(struct http_exchange *x, const char *resource, const char *name);
/* An error of ours: invalid arguments are 400, the rest is 500. */
void api_status_reply_err(struct http_exchange *x, const struct err *err);
