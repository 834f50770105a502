#include "http/http_reply.h"

#include "base/json.h"
#include "http/http_connection.h"
#include "http/problem.h"
#include <stdio.h>

#define HEAD_BYTES 512 /* status line and our own fields */
#define JSON_MAX   ((size_t)16 * 1024 * 1024)
#define SMALL_BODY ((size_t)4096)

/* ---- fields ---- */

void http_reply_field(struct http_exchange *x, struct slice name, struct slice value)
{
    INVARIANT(x->open && x->reply == HTTP_REPLY_OPEN);
    INVARIANT(name.len > 0);
    /* Parsed heads have limits far below; a reply without a field beats none. */
    (void)http_head_add(&x->fields, name, value);
}

void http_reply_header(struct http_exchange *x, const char *name, const char *value)
{
    struct slice text = slice_of(value);
    INVARIANT(http_text_is_clean(text));
    http_reply_field(x, slice_of(name), text);
}

void http_reply_header_int(struct http_exchange *x, const char *name, int64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%lld", (long long)value);
    http_reply_header(x, name, text);
}

/* ---- the head ---- */

struct head_text {
    char at[HEAD_BYTES];
    size_t len;
};

static void put(struct head_text *h, const char *text, size_t len)
{
    INVARIANT(h->len + len <= sizeof(h->at));
    memcpy(h->at + h->len, text, len);
    h->len += len;
}

static void put_text(struct head_text *h, const char *text)
{
    put(h, text, strlen(text));
}

static void put_int(struct head_text *h, int64_t value)
{
    char digits[24];
    char *at = digits + sizeof(digits);
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    put(h, at, (size_t)(digits + sizeof(digits) - at));
}

/* Whether this connection may go on is said here, and nowhere else. */
static void decide_keep(struct http_exchange *x)
{
    struct http_connection *c = http_exchange_connection(x);
    bool too_much = x->head != NULL && x->head->content_length - x->body_bytes > HTTP_DISCARD_BYTES;
    if (c->server->draining || x->continue_due || too_much)
        c->keep = false;
}

/* length -1: chunked, or to the end of the connection. */
static void put_head(struct head_text *h, struct http_exchange *x, int status,
                     const char *content_type, int64_t length)
{
    struct http_connection *c = http_exchange_connection(x);
    bool minor_0 = x->head != NULL && x->head->version_minor == 0;
    bool no_framing = status == 204 || status == 304;
    x->reply_bodyless = no_framing || (x->head != NULL && x->head->method == HTTP_METHOD_HEAD);
    x->reply_chunked = length < 0 && !no_framing && !minor_0;
    decide_keep(x);
    if (length < 0 && minor_0 && !x->reply_bodyless)
        c->keep = false;
    h->len = 0;
    put(h, "HTTP/1.1 ", 9);
    put_int(h, status);
    put(h, " ", 1);
    put_text(h, http_status_text(status));
    put(h, "\r\n", 2);
    put_text(h, http_server_date(c->server));
    if (content_type != NULL) {
        put(h, "Content-Type: ", 14);
        put_text(h, content_type);
        put(h, "\r\n", 2);
    }
    if (length >= 0 && !no_framing) {
        put(h, "Content-Length: ", 16);
        put_int(h, length);
        put(h, "\r\n", 2);
    } else if (x->reply_chunked) {
        put_text(h, "Transfer-Encoding: chunked\r\n");
    }
    if (!c->keep)
        put_text(h, "Connection: close\r\n");
    else if (minor_0)
        put_text(h, "Connection: keep-alive\r\n");
}

/* ---- whole replies ---- */

static void end(struct http_exchange *x)
{
    x->reply = HTTP_REPLY_ENDED;
    http_connection_ended(http_exchange_connection(x));
}

static bool has_unread_body(const struct http_exchange *x)
{
    return x->head != NULL && (x->head->chunked || x->head->content_length > x->body_bytes);
}

void http_reply(struct http_exchange *x, int status, const char *content_type, struct slice body)
{
    struct http_connection *c = http_exchange_connection(x);
    struct head_text h;
    INVARIANT(x->open && x->reply == HTTP_REPLY_OPEN);
    put_head(&h, x, status, content_type, (int64_t)body.len);
    uv_buf_t parts[4] = {http_out_part(h.at, h.len), http_out_part(x->fields.data, x->fields.len),
                         http_out_part("\r\n", 2),
                         http_out_part(body.at, x->reply_bodyless ? 0 : body.len)};
    /* With another request already here, small replies share a write. */
    bool more = c->turning && c->in.window.len > 0 && body.len <= SMALL_BODY && c->keep;
    bool early = x->body.state == HTTP_BODY_UNASKED && http_connection_may_discard(c);
    http_connection_send(c, parts, 4, !more && !(early && has_unread_body(x)));
    end(x);
}

void http_reply_json(struct http_exchange *x, int status, struct json_t *body)
{
    struct buf text;
    buf_init(&text, JSON_MAX);
    json_print(body, &text);
    json_free(body);
    if (text.overflowed)
        problem_replyf(x, ERR_INTERNAL, "the answer is longer than %zu bytes", JSON_MAX);
    else
        http_reply(x, status, "application/json", buf_slice(&text));
    buf_fini(&text);
}

/* ---- streamed replies ---- */

void http_reply_begin(struct http_exchange *x, int status, int64_t length)
{
    struct head_text h;
    INVARIANT(x->open && x->reply == HTTP_REPLY_OPEN);
    put_head(&h, x, status, NULL, length);
    x->reply = HTTP_REPLY_BEGUN;
    x->reply_left = x->reply_bodyless ? -1 : length;
    uv_buf_t parts[3] = {http_out_part(h.at, h.len), http_out_part(x->fields.data, x->fields.len),
                         http_out_part("\r\n", 2)};
    /* Not at once: the first piece usually comes in the same turn and shares the write. */
    http_connection_send(http_exchange_connection(x), parts, 3, false);
}

size_t http_reply_write(struct http_exchange *x, struct slice piece)
{
    struct http_connection *c = http_exchange_connection(x);
    INVARIANT(x->open && x->reply == HTTP_REPLY_BEGUN);
    if (piece.len == 0 || x->reply_bodyless)
        return http_connection_waiting(c);
    INVARIANT(x->reply_left < 0 || piece.len <= (uint64_t)x->reply_left);
    if (x->reply_left >= 0)
        x->reply_left -= (int64_t)piece.len;
    bool now = piece.len > SMALL_BODY; /* what is small is gathered until the turn ends */
    if (x->reply_chunked) {
        char size[20];
        int size_len = snprintf(size, sizeof(size), "%zx\r\n", piece.len);
        uv_buf_t parts[3] = {http_out_part(size, (size_t)size_len),
                             http_out_part(piece.at, piece.len), http_out_part("\r\n", 2)};
        http_connection_send(c, parts, 3, now);
    } else {
        uv_buf_t part = http_out_part(piece.at, piece.len);
        http_connection_send(c, &part, 1, now);
    }
    size_t waiting = http_connection_waiting(c);
    x->above_high |= waiting > HTTP_REPLY_HIGH_WATER;
    return waiting;
}

void http_reply_on_drain(struct http_exchange *x, http_handler_f *fn, void *user)
{
    x->drain_fn = fn;
    x->drain_user = user;
}

void http_reply_end(struct http_exchange *x)
{
    struct http_connection *c = http_exchange_connection(x);
    INVARIANT(x->open && x->reply == HTTP_REPLY_BEGUN);
    if (x->reply_left > 0) { /* less than was announced: the client must see that */
        http_reply_abort(x);
        return;
    }
    if (x->reply_chunked && !x->reply_bodyless) {
        uv_buf_t part = http_out_part("0\r\n\r\n", 5);
        http_connection_send(c, &part, 1, false);
    }
    end(x);
}

void http_reply_abort(struct http_exchange *x)
{
    http_connection_cut(http_exchange_connection(x));
    end(x);
}

bool http_reply_begun(const struct http_exchange *x)
{
    return x->reply != HTTP_REPLY_OPEN;
}
