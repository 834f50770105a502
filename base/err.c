#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *wire;
    const char *title;
    int http_status;
    int retry_after_s;
} TABLE[ERR_CODE_COUNT] = {
    [ERR_NONE] = {"none", "No error", 200, 0},
#define X(name, wire, status, retry, title) [ERR_##name] = {wire, title, status, retry},
#include "base/err.def"
#undef X
};

static enum err_code known(enum err_code code)
{
    INVARIANT((int)code >= 0 && code < ERR_CODE_COUNT);
    return code;
}

int err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
    known(code);
    if (!err)
        return -(int)code;
    /* The arguments may point into the message that is there. */
    char msg[sizeof(err->msg)];
    va_list args;
    va_start(args, fmt);
    vsnprintf(msg, sizeof(msg), fmt, args);
    va_end(args);
    memcpy(err->msg, msg, sizeof(msg));
    err->code = code;
    err->retry_after_s = TABLE[code].retry_after_s;
    return -(int)code;
}

/* What does not fit is cut; the text stays terminated. */
static void append(char *out, size_t size, size_t *used, const char *text)
{
    for (; *text && *used < size - 1; text++)
        out[(*used)++] = *text;
    out[*used < size ? *used : size - 1] = '\0';
}

int err_wrap(struct err *err, const char *fmt, ...)
{
    if (!err)
        return -(int)ERR_INTERNAL;
    char msg[sizeof(err->msg)];
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(msg, sizeof(msg), fmt, args);
    va_end(args);
    size_t used = len < 0 ? 0 : (size_t)len;
    append(msg, sizeof(msg), &used, ": ");
    append(msg, sizeof(msg), &used, err->msg);
    memcpy(err->msg, msg, sizeof(msg));
    return -(int)err->code;
}

int err_set_errno(struct err *err, enum err_code code, int sys, const char *fmt, ...)
{
    char msg[sizeof(err->msg)];
    va_list args;
    va_start(args, fmt);
    vsnprintf(msg, sizeof(msg), fmt, args);
    va_end(args);
    char reason[128];
    /* GNU's strerror_r: the text may lie elsewhere than in `reason`. */
    return err_set(err, code, "%s: %s", msg, strerror_r(sys, reason, sizeof(reason)));
}

const char *err_wire_name(enum err_code code)
{
    return TABLE[known(code)].wire;
}

const char *err_title(enum err_code code)
{
    return TABLE[known(code)].title;
}

int err_http_status(enum err_code code)
{
    return TABLE[known(code)].http_status;
}

int err_retry_after_s(enum err_code code)
{
    return TABLE[known(code)].retry_after_s;
}
