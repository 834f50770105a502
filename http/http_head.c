/* http_head.c - questions about a head that was parsed, and the names of statuses. */
#include "http/http_message.h"

struct slice http_head_get(const struct http_head *h, const char *name)
{
    for (unsigned i = 0; i < h->header_count; i++) {
        if (slice_eq_nocase(h->headers[i].name, name))
            return h->headers[i].value;
    }
    return (struct slice){NULL, 0};
}

bool http_text_is_clean(struct slice text)
{
    return memchr(text.at, '\r', text.len) == NULL && memchr(text.at, '\n', text.len) == NULL &&
           memchr(text.at, '\0', text.len) == NULL;
}

unsigned http_head_count(const struct http_head *h, const char *name)
{
    unsigned count = 0;
    for (unsigned i = 0; i < h->header_count; i++)
        count += slice_eq_nocase(h->headers[i].name, name);
    return count;
}

bool http_head_add(struct buf *out, struct slice name, struct slice value)
{
    char *at = buf_extend(out, name.len + value.len + 4);
    if (at == NULL)
        return false;
    at = mempcpy(at, name.at, name.len);
    *at++ = ':';
    *at++ = ' ';
    at = mempcpy(at, value.at, value.len);
    *at++ = '\r';
    *at = '\n';
    return true;
}

struct status_text {
    int status;
    const char *text;
};

static const struct status_text STATUS_TEXTS[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
    {508, "Loop Detected"},
};

const char *http_status_text(int status)
{
    for (size_t i = 0; i < ARRAY_LEN(STATUS_TEXTS); i++) {
        if (STATUS_TEXTS[i].status == status)
            return STATUS_TEXTS[i].text;
    }
    return "Status";
}

const char *http_method_text(enum http_method m)
{
    switch (m) {
    case HTTP_METHOD_GET:
        return "GET";
    case HTTP_METHOD_HEAD:
        return "HEAD";
    case HTTP_METHOD_POST:
        return "POST";
    case HTTP_METHOD_PUT:
        return "PUT";
    case HTTP_METHOD_PATCH:
        return "PATCH";
    case HTTP_METHOD_DELETE:
        return "DELETE";
    case HTTP_METHOD_OPTIONS:
        return "OPTIONS";
    case HTTP_METHOD_OTHER:
        break;
    }
    return "OTHER";
}
