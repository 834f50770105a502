/* fuzz_http.h - bytes through the HTTP parser, whole and cut; both must see the same. */
#pragma once
#include "http/http_message.h"
#include "tests/fuzz/fuzz.h"

typedef void fuzz_head_f(const struct http_head *head);

struct fuzz_http {
    uint64_t sum;
    fuzz_head_f *look;
};

static inline void fuzz_http_on_head(struct http_parser *p, const struct http_head *head,
                                     void *user)
{
    struct fuzz_http *f = user;
    (void)p;
    fuzz_note(&f->sum, "H", 1);
    fuzz_note(&f->sum, head->target.at, head->target.len);
    fuzz_note(&f->sum, &head->content_length, sizeof(head->content_length));
    for (unsigned i = 0; i < head->header_count; i++) {
        fuzz_note(&f->sum, head->headers[i].name.at, head->headers[i].name.len);
        fuzz_note(&f->sum, head->headers[i].value.at, head->headers[i].value.len);
    }
    if (f->look)
        f->look(head);
}

static inline void fuzz_http_on_body(struct http_parser *p, struct slice piece, void *user)
{
    struct fuzz_http *f = user;
    (void)p;
    fuzz_note(&f->sum, piece.at, piece.len);
}

static inline void fuzz_http_on_end(struct http_parser *p, void *user)
{
    struct fuzz_http *f = user;
    (void)p;
    fuzz_note(&f->sum, "E", 1);
}

/* Messages one after the other, as a connection has them, until one is bad. */
static inline void fuzz_http_feed(enum http_parser_kind kind, struct slice in, size_t step,
                                  struct fuzz_http *f)
{
    static const struct http_parser_events EVENTS = {fuzz_http_on_head, fuzz_http_on_body,
                                                     fuzz_http_on_end};
    struct http_parser *p = http_parser_new(kind, &HTTP_LIMITS_DEFAULT, &EVENTS, f);
    struct err err;
    int rc = 0;
    for (size_t at = 0; rc == 0 && at < in.len;) {
        size_t len = in.len - at < step ? in.len - at : step, used = 0;
        char *piece = fuzz_copy(in.at + at, len);
        rc = http_parser_feed(p, (struct slice){piece, len}, &used, &err);
        free(piece);
        INVARIANT(rc <= 0 && used <= len);
        at += rc == 0 ? used : 0;
        if (rc == 0 && used < len) {
            INVARIANT(used > 0 || !http_parser_idle(p)); /* it must get on */
            http_parser_reset(p);
        }
    }
    if (rc == 0)
        rc = http_parser_finish(p, &err);
    fuzz_note(&f->sum, &rc, sizeof(rc));
    http_parser_free(&p);
}

static inline void fuzz_http(enum http_parser_kind kind, const uint8_t *data, size_t size,
                             fuzz_head_f *look)
{
    if (size < 1)
        return;
    struct slice in = {(const char *)data + 1, size - 1};
    struct fuzz_http whole = {.look = look}, cut = {.look = NULL};
    fuzz_http_feed(kind, in, in.len ? in.len : 1, &whole);
    fuzz_http_feed(kind, in, fuzz_step(data, size), &cut);
    INVARIANT(whole.sum == cut.sum);
}
