/* http_call_head.h - the head of an answer from its lines, one by one as libcurl shows them (inside
 * of http/). Pure.
 *
 * Interim answers (1xx) and trailers leave no trace. Ownership: fields point into the head's own
 * bytes, until the next line or http_call_head_fini(). */
#pragma once
#include "base/buf.h"
#include "http/http_message.h"

#define HTTP_CALL_FIELDS_MAX 100

struct http_call_head {
    int status;
    int64_t content_length; /* -1: not told */
    const struct http_header *fields;
    unsigned field_count;

    /* inside */
    struct buf text; /* "name\0value\0…" */
    struct http_header rows[HTTP_CALL_FIELDS_MAX];
    bool complete, bad;
};

void http_call_head_init(struct http_call_head *h);
void http_call_head_fini(struct http_call_head *h);
/* One line with its end. True when it completed the head of the final answer. */
bool http_call_head_line(struct http_call_head *h, struct slice line);
/* Its Date as Unix time; 0: none, or none that can be read. */
int64_t http_call_head_date_ms(const struct http_call_head *h);
struct slice http_call_head_get(const struct http_call_head *h, const char *name);
