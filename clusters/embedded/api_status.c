#include "clusters/embedded/api_status.h"
#include "base/json.h"
#include "clusters/embedded/names.h"
#include "http/http_reply.h"
#include <stdarg.h>
#include <stdio.h>

static const struct {
    int code;
    const char *name;
} reasons[API_REASONS] = {
    [API_BAD_REQUEST] = {400, "BadRequest"},
    [API_FORBIDDEN] = {403, "Forbidden"},
    [API_NOT_FOUND] = {404, "NotFound"},
    [API_METHOD_NOT_ALLOWED] = {405, "MethodNotAllowed"},
    [API_NOT_ACCEPTABLE] = {406, "NotAcceptable"},
    [API_ALREADY_EXISTS] = {409, "AlreadyExists"},
    [API_CONFLICT] = {409, "Conflict"},
    [API_EXPIRED] = {410, "Expired"},
    [API_TOO_LARGE] = {413, "RequestEntityTooLarge"},
    [API_UNSUPPORTED_MEDIA_TYPE] = {415, "UnsupportedMediaType"},
    [API_INVALID] = {422, "Invalid"},
    [API_INTERNAL_ERROR] = {500, "InternalError"},
};

int api_status_code(enum api_reason reason)
{
    return reasons[reason].code;
}

struct json_t *api_status_build(enum api_reason reason, const struct api_subject *s,
                                struct json_t *causes, const char *message)
{
    struct json_t *details = json_new_object();
    struct json_t *status = json_build(
        "{s:s, s:s, s:{}, s:s, s:s, s:i}", "kind", "Status", "apiVersion", "v1", "metadata",
        "status", "Failure", "reason", reasons[reason].name, "code", reasons[reason].code);
    char text[1000];

    snprintf(text, sizeof text, "%s", message);
    names_make_printable(text);
    json_set_text(status, "message", text);
    if (s && s->name)
        json_set_text(details, "name", s->name);
    if (s && s->resource)
        json_set_text(details, "kind", s->resource);
    if (s && s->uid)
        json_set_text(details, "uid", s->uid);
    if (causes)
        json_set(details, "causes", causes);
    json_set(status, "details", details);
    return status;
}

void api_status_reply(struct http_exchange *x, enum api_reason reason, const struct api_subject *s,
                      const char *fmt, ...)
{
    char message[800];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    http_reply_json(x, reasons[reason].code, api_status_build(reason, s, NULL, message));
}

void api_status_reply_not_found(struct http_exchange *x, const char *resource, const char *name)
{
    api_status_reply(x, API_NOT_FOUND, &(struct api_subject){.resource = resource, .name = name},
                     "%s \"%.253s\" not found", resource, name);
}

/* "Pod "x" is invalid: [field: why, field: why]", as kubectl users know it. */
void api_status_reply_invalid(struct http_exchange *x, const char *kind, const char *name,
                              struct json_t *causes)
{
    struct buf text;
    size_t count = json_count(causes);

    buf_init(&text, 900);
    buf_addf(&text, "%s \"%.63s\" is invalid: %s", kind, name, count > 1 ? "[" : "");
    for (size_t i = 0; i < count && !text.overflowed; i++)
        buf_addf(&text, "%s%s: %s", i ? ", " : "", json_get_text(json_item(causes, i), "field", ""),
                 json_get_text(json_item(causes, i), "message", ""));
    if (count > 1)
        buf_add_text(&text, "]");
    http_reply_json(x, reasons[API_INVALID].code,
                    api_status_build(API_INVALID,
                                     &(struct api_subject){.resource = kind, .name = name}, causes,
                                     buf_text(&text)));
    buf_fini(&text);
}

void api_status_reply_err(struct http_exchange *x, const struct err *err)
{
    enum api_reason reason = err->code == ERR_PAYLOAD_TOO_LARGE      ? API_TOO_LARGE
                             : err_http_status(err->code) / 100 == 4 ? API_BAD_REQUEST
                                                                     : API_INTERNAL_ERROR;

    api_status_reply(x, reason, NULL, "%s", err->msg);
}
