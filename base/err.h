/* err.h - the one error object and the one table of error codes (err.def).
 *
 * A fallible call returns 0 or a negative code and, when it fails, fills the caller's `struct err`,
 * which lives on the caller's stack and is never allocated. It is untouched on success. Library
 * code does not log: the failure is logged or turned into a reply (http/problem.h) once, where it
 * is handled. */
#pragma once
#include "base/cc.h"
#include <stdbool.h>

enum err_code {
    ERR_NONE = 0,
#define X(name, wire, status, retry, title) ERR_##name,
#include "base/err.def"
#undef X
    ERR_CODE_COUNT
};

struct err {
    enum err_code code;
    int retry_after_s; /* > 0: sent as Retry-After; 0: err_set() takes the table's word */
    char msg[400];     /* for people: names the cause, and the limit where one was hit */
};

/* Sets code and message; returns -code, so that `return err_set(…)` works. `err` may be NULL. */
int err_set(struct err *err, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Puts "text: " before the message that is there; returns -code. */
int err_wrap(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* As err_set(), with strerror(sys) behind the message. */
int err_set_errno(struct err *err, enum err_code code, int sys, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

const char *err_wire_name(enum err_code code); /* "session_not_found": `code` of the problem */
const char *err_title(enum err_code code);     /* one short sentence */
int err_http_status(enum err_code code);       /* RFC 9110 status */
int err_retry_after_s(enum err_code code);     /* 0: no use in trying again */
