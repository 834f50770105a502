#include "sim_exchange.h"

#include "base/json.h"
#include "base/mem.h"
#include "http/http_connection.h"
#include "http/problem.h"
#include "sim_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#define BODY_BYTES_MAX ((size_t)64 * 1024 * 1024)

/* Production's exchange holds what the reply side adds; around it what a connection would be. */
struct served {
    struct served *prev, *next;
    struct sim_exchange_host *host;
    struct sim_call *call; /* NULL: ended */
    struct http_parser *parser;
    struct http_exchange x;
    struct buf body; /* came, and nobody took it yet */
    bool body_ended, gone, due;
};

static struct served *all;

static struct served *served_of(const struct http_exchange *x)
{
    return container_of((struct http_exchange *)(uintptr_t)x, struct served, x);
}

/* -- what the handler is told -- */

static void free_served(struct served *s)
{
    DL_DELETE(all, s);
    http_parser_free(&s->parser);
    buf_fini(&s->body);
    buf_fini(&s->x.fields);
    free(s);
}

static void give_body(struct served *s)
{
    struct http_exchange *x = &s->x;
    struct err err;
    err_set(&err, ERR_BAD_REQUEST, "the client closed the connection");
    bool broken = s->gone && !s->body_ended;
    if (x->events && s->body.len > 0) {
        struct buf piece = s->body;
        buf_init(&s->body, BODY_BYTES_MAX);
        x->events->on_data(x, buf_slice(&piece), x->body_user);
        buf_fini(&piece);
    } else if (x->events && (s->body_ended || broken)) {
        x->end_told = true;
        x->events->on_end(x, broken ? &err : NULL, x->body_user);
    } else if (x->collected && (s->body_ended || broken)) {
        x->end_told = true;
        if (!broken && s->body.len > x->collect.max)
            err_set(&err, ERR_PAYLOAD_TOO_LARGE, "the body is above its limit");
        bool bad = broken || s->body.len > x->collect.max;
        x->collected(x, bad ? (struct slice){0} : buf_slice(&s->body), bad ? &err : NULL,
                     x->body_user);
    }
}

static bool is_reading(const struct served *s)
{
    bool asked = s->x.collected || s->x.events;
    return asked && !s->x.end_told &&
           (s->body_ended || s->gone || (s->x.events && s->body.len > 0));
}

static void wake(struct served *s);

static void turn(void *user)
{
    struct served *s = user;
    s->due = false;
    if (!s->x.open) {
        free_served(s);
    } else if (is_reading(s)) {
        give_body(s);
        wake(s);
    } else if (s->gone && s->x.gone_fn) {
        http_handler_f *fn = s->x.gone_fn;
        s->x.gone_fn = NULL;
        fn(&s->x, s->x.gone_user);
    }
}

static void wake(struct served *s)
{
    if (s->due)
        return;
    s->due = true;
    loop_defer(s->host->loop, turn, s);
}

/* -- the call -- */

static void on_head(struct http_parser *p, const struct http_head *head, void *user)
{
    struct served *s = user;
    (void)p;
    s->x.head = head;
}

static void on_nothing(struct http_parser *p, struct slice piece, void *user)
{
    (void)p;
    (void)piece;
    (void)user;
}

static void on_parsed(struct http_parser *p, void *user)
{
    (void)p;
    (void)user;
}

static void on_request(struct sim_call *c, void *user)
{
    static const struct http_parser_events EVENTS = {on_head, on_nothing, on_parsed};
    struct sim_exchange_host *h = user;
    struct served *s = mem_alloc(sizeof(*s));
    struct err err;
    size_t used = 0;
    s->host = h;
    s->call = c;
    s->x.open = true;
    buf_init(&s->x.fields, HTTP_FIELDS_MAX);
    buf_init(&s->body, BODY_BYTES_MAX);
    DL_APPEND(all, s);
    h->open++;
    sim_call_serve(c, s);
    s->parser = http_parser_new(HTTP_PARSE_REQUESTS, &HTTP_LIMITS_DEFAULT, &EVENTS, s);
    char *text CLEANUP(mem_free_text) =
        mem_format("%s %s HTTP/1.1\r\nHost: sim\r\n%s\r\n", sim_call_method(c), sim_call_target(c),
                   sim_call_fields(c));
    int rc = http_parser_feed(s->parser, slice_of(text), &used, &err);
    INVARIANT(rc == 0 && s->x.head);
    h->handler(&s->x, h->user);
}

static void on_body(struct sim_call *c, struct slice piece, void *user)
{
    struct served *s = user;
    (void)c;
    if (piece.len == 0)
        s->body_ended = true;
    else
        buf_add(&s->body, piece.at, piece.len);
    wake(s);
}

static void on_gone(struct sim_call *c, void *user)
{
    struct served *s = user;
    (void)c;
    s->gone = true;
    wake(s);
}

const struct sim_call_server SIM_EXCHANGE_SERVER = {on_request, on_body, on_gone};

void sim_exchange_leave_all(struct sim_exchange_host *h)
{
    struct served *s;
    DL_FOREACH(all, s)
    {
        if (s->host == h && s->x.open) {
            s->gone = true;
            wake(s);
        }
    }
}

/* -- the request side -- */

const struct http_head *http_exchange_head(const struct http_exchange *x)
{
    return x->head;
}

const char *http_exchange_request_id(const struct http_exchange *x)
{
    struct served *s = served_of(x);
    char *id = s->x.request_id;
    struct slice theirs = http_head_get(x->head, "X-Request-Id");
    if (*id == '\0' && theirs.len > 0 && theirs.len <= HTTP_ID_MAX)
        snprintf(id, HTTP_ID_MAX + 1, "%.*s", SLICE_ARG(theirs));
    else if (*id == '\0')
        world_random_hex(loop_world(s->host->loop), id, 16);
    return id;
}

void http_exchange_set_session_id(struct http_exchange *x, const char *session_id)
{
    snprintf(x->session_id, sizeof(x->session_id), "%s", session_id);
}

const char *http_exchange_session_id(const struct http_exchange *x)
{
    return x->session_id[0] != '\0' ? x->session_id : NULL;
}

struct loop *http_exchange_loop(const struct http_exchange *x)
{
    return served_of(x)->host->loop;
}

bool http_exchange_gone(const struct http_exchange *x)
{
    return served_of(x)->gone;
}

bool http_exchange_has_body(const struct http_exchange *x)
{
    return x->head->chunked || x->head->content_length > 0;
}

void http_exchange_on_gone(struct http_exchange *x, http_handler_f *fn, void *user)
{
    x->gone_fn = fn;
    x->gone_user = user;
    if (fn && served_of(x)->gone)
        wake(served_of(x));
}

void http_exchange_collect(struct http_exchange *x, size_t max, http_collected_f *fn, void *user)
{
    INVARIANT(!x->collected && !x->events);
    x->collected = fn;
    x->body_user = user;
    x->collect.max = max;
    wake(served_of(x));
}

void http_exchange_stream(struct http_exchange *x, const struct http_body_events *events,
                          void *user)
{
    INVARIANT(!x->collected && !x->events);
    x->events = events;
    x->body_user = user;
    wake(served_of(x));
}

/* Nothing here is large enough to be held back. */
void http_exchange_pause(struct http_exchange *x)
{
    (void)x;
    UNREACHABLE();
}

void http_exchange_resume(struct http_exchange *x)
{
    (void)x;
}

/* -- the reply side -- */

void http_reply_field(struct http_exchange *x, struct slice name, struct slice value)
{
    INVARIANT(x->open && x->reply == HTTP_REPLY_OPEN);
    buf_addf(&x->fields, "%.*s: %.*s\r\n", SLICE_ARG(name), SLICE_ARG(value));
}

void http_reply_header(struct http_exchange *x, const char *name, const char *value)
{
    http_reply_field(x, slice_of(name), slice_of(value));
}

void http_reply_header_int(struct http_exchange *x, const char *name, int64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%lld", (long long)value);
    http_reply_header(x, name, text);
}

static void end(struct http_exchange *x, void (*how)(struct sim_call *c))
{
    struct served *s = served_of(x);
    x->reply = HTTP_REPLY_ENDED;
    x->open = false;
    s->host->open--;
    how(s->call);
    s->call = NULL;
    wake(s);
}

void http_reply_begin(struct http_exchange *x, int status, int64_t length)
{
    INVARIANT(x->open && x->reply == HTTP_REPLY_OPEN);
    x->reply = HTTP_REPLY_BEGUN;
    x->reply_left = length;
    sim_call_head(served_of(x)->call, status, buf_text(&x->fields), length);
}

size_t http_reply_write(struct http_exchange *x, struct slice piece)
{
    INVARIANT(x->open && x->reply == HTTP_REPLY_BEGUN);
    INVARIANT(x->reply_left < 0 || piece.len <= (uint64_t)x->reply_left);
    if (x->reply_left >= 0)
        x->reply_left -= (int64_t)piece.len;
    sim_call_data(served_of(x)->call, piece);
    return 0;
}

void http_reply_on_drain(struct http_exchange *x, http_handler_f *fn, void *user)
{
    x->drain_fn = fn;
    x->drain_user = user;
}

void http_reply_end(struct http_exchange *x)
{
    INVARIANT(x->open && x->reply == HTTP_REPLY_BEGUN);
    end(x, x->reply_left > 0 ? sim_call_abort : sim_call_end);
}

void http_reply_abort(struct http_exchange *x)
{
    INVARIANT(x->open);
    end(x, sim_call_abort);
}

void http_reply(struct http_exchange *x, int status, const char *content_type, struct slice body)
{
    if (content_type)
        http_reply_header(x, "Content-Type", content_type);
    http_reply_begin(x, status, (int64_t)body.len);
    http_reply_write(x, body);
    http_reply_end(x);
}

void http_reply_json(struct http_exchange *x, int status, struct json_t *body)
{
    struct buf text;
    buf_init(&text, BODY_BYTES_MAX);
    json_print(body, &text);
    json_free(body);
    http_reply(x, status, "application/json", buf_slice(&text));
    buf_fini(&text);
}

bool http_reply_begun(const struct http_exchange *x)
{
    return x->reply != HTTP_REPLY_OPEN;
}
