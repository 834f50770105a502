#include "http/http_call_head.h"

#include <stdlib.h>
#include <time.h>

#define HEAD_BYTES_MAX ((size_t)64 * 1024)

void http_call_head_init(struct http_call_head *h)
{
    h->content_length = -1;
    buf_init(&h->text, HEAD_BYTES_MAX);
}

void http_call_head_fini(struct http_call_head *h)
{
    buf_fini(&h->text);
}

static struct slice trim(struct slice s)
{
    while (s.len > 0 && strchr(" \t\r\n", s.at[s.len - 1]))
        s.len--;
    while (s.len > 0 && (*s.at == ' ' || *s.at == '\t')) {
        s.at++;
        s.len--;
    }
    return s;
}

static void begin(struct http_call_head *h, struct slice line)
{
    const char *gap = memchr(line.at, ' ', line.len);
    char digits[4] = "";
    buf_clear(&h->text);
    h->field_count = 0;
    h->content_length = -1;
    h->complete = h->bad = false;
    if (gap && line.at + line.len - gap > 3)
        memcpy(digits, gap + 1, 3);
    h->status = atoi(digits);
}

/* Lengths for now: the bytes may still move. */
static void add(struct http_call_head *h, struct slice name, struct slice value)
{
    struct http_header *row = &h->rows[h->field_count];
    if (h->field_count == HTTP_CALL_FIELDS_MAX || !buf_add(&h->text, name.at, name.len) ||
        !buf_add(&h->text, value.at, value.len)) {
        h->bad = true;
        return;
    }
    *row = (struct http_header){{NULL, name.len}, {NULL, value.len}};
    h->field_count++;
}

static void settle(struct http_call_head *h)
{
    const char *at = h->text.data;
    for (unsigned i = 0; i < h->field_count; i++) {
        h->rows[i].name.at = at;
        at += h->rows[i].name.len;
        h->rows[i].value.at = at;
        at += h->rows[i].value.len;
    }
    h->fields = h->rows;
    struct slice length = http_call_head_get(h, "Content-Length");
    char text[24] = "";
    if (length.len > 0 && length.len < sizeof(text)) {
        memcpy(text, length.at, length.len);
        h->content_length = strtoll(text, NULL, 10);
    }
}

bool http_call_head_line(struct http_call_head *h, struct slice line)
{
    if (slice_starts_with(line, "HTTP/")) {
        begin(h, line);
        return false;
    }
    if (h->complete) /* a trailer */
        return false;
    struct slice plain = trim(line);
    const char *colon = memchr(plain.at, ':', plain.len);
    if (plain.len == 0) {
        settle(h);
        h->complete = h->status >= 200;
        return h->complete;
    }
    if (colon && colon > plain.at)
        add(h, (struct slice){plain.at, (size_t)(colon - plain.at)},
            trim((struct slice){colon + 1, (size_t)(plain.at + plain.len - colon) - 1}));
    return false;
}

struct slice http_call_head_get(const struct http_call_head *h, const char *name)
{
    for (unsigned i = 0; i < h->field_count; i++) {
        if (slice_eq_nocase(h->rows[i].name, name))
            return h->rows[i].value;
    }
    return (struct slice){0};
}

int64_t http_call_head_date_ms(const struct http_call_head *h)
{
    struct slice date = http_call_head_get(h, "Date");
    struct tm tm = {0};
    char text[40] = "";
    if (date.len >= sizeof(text))
        return 0;
    memcpy(text, date.at ? date.at : "", date.len);
    const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    time_t at = end && *end == '\0' ? timegm(&tm) : 0;
    return at > 0 ? (int64_t)at * 1000 : 0;
}
