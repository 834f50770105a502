#include "http/problem.h"

#include "base/json.h"
#include <stdarg.h>
#include <stdio.h>

#define PROBLEM_MAX ((size_t)8192)

static void add_text(struct buf *out, const char *key, const char *text)
{
    buf_addf(out, ",\"%s\":", key);
    json_print_string(out, slice_of(text));
}

static int retry_after_s(const struct err *err)
{
    return err->retry_after_s > 0 ? err->retry_after_s : err_retry_after_s(err->code);
}

void problem_print(struct buf *out, const struct err *err, const char *instance,
                   const char *request_id, const char *session_id)
{
    const char *code = err_wire_name(err->code);
    buf_addf(out, "{\"type\":\"urn:spillway:error:%s\"", code);
    add_text(out, "title", err_title(err->code));
    buf_addf(out, ",\"status\":%d", err_http_status(err->code));
    if (err->msg[0] != '\0')
        add_text(out, "detail", err->msg);
    if (instance != NULL)
        add_text(out, "instance", instance);
    add_text(out, "code", code);
    if (request_id != NULL)
        add_text(out, "request_id", request_id);
    if (session_id != NULL)
        add_text(out, "session_id", session_id);
    if (retry_after_s(err) > 0)
        buf_addf(out, ",\"retry_after\":%d", retry_after_s(err));
    buf_add(out, "}", 1);
}

/* The path, cut to what a reader can use. Whoever sends a path of its own gets it back. */
static const char *instance_of(const struct http_exchange *x, char *out, size_t size)
{
    const struct http_head *head = http_exchange_head(x);
    if (head == NULL)
        return NULL;
    struct slice asked = http_head_get(head, PROBLEM_INSTANCE_FIELD);
    snprintf(out, size, "%.*s", SLICE_ARG(asked.len > 0 ? asked : head->path));
    return out;
}

void problem_reply(struct http_exchange *x, const struct err *err)
{
    char instance[PROBLEM_INSTANCE_MAX + 1];
    struct buf out;
    buf_init(&out, PROBLEM_MAX);
    problem_print(&out, err, instance_of(x, instance, sizeof(instance)),
                  http_exchange_request_id(x), http_exchange_session_id(x));
    INVARIANT(!out.overflowed);
    if (retry_after_s(err) > 0)
        http_reply_header_int(x, "Retry-After", retry_after_s(err));
    http_reply(x, err_http_status(err->code), "application/problem+json", buf_slice(&out));
    buf_fini(&out);
}

void problem_replyf(struct http_exchange *x, enum err_code code, const char *fmt, ...)
{
    struct err err;
    va_list args;
    char text[sizeof(err.msg)];
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    err_set(&err, code, "%s", text);
    problem_reply(x, &err);
}
