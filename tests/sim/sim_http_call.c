/* sim_http_call.c - http/http_call.h (libcurl in production) on the simulated network. */
#include "base/mem.h"
#include "http/http_call.h"
#include "sim_address.h"
#include "sim_call.h"
#include "sim_loop.h"
#include "sim_property.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#define CONNECT_MS    2000
#define REPLY_MAX     ((size_t)1024 * 1024)
#define IN_FLIGHT_MAX 400 /* of one caller: more is a queue without a limit */

struct http_call {
    struct http_call *prev, *next;
    struct http_caller *caller;
    struct sim_call *call; /* NULL: over */
    struct http_call_head head;
    struct buf reply;
    size_t reply_max;
    http_call_done_f *done;
    void (*on_data)(struct http_call *c, struct slice piece, void *user);
    void (*on_head)(struct http_call *c, const struct http_call_head *head, void *user);
    void *user;
    bool cancelled, whole_stream, to_cluster;
};

struct http_caller {
    struct loop *loop;
    struct http_call *calls, *graveyard;
    int count;
    bool tend_due, freed;
};

/* -- freeing: never what a callback runs in -- */

static void tend(void *user)
{
    struct http_caller *h = user;
    struct http_call *c, *next;
    h->tend_due = false;
    DL_FOREACH_SAFE(h->graveyard, c, next)
    {
        DL_DELETE(h->graveyard, c);
        http_call_head_fini(&c->head);
        buf_fini(&c->reply);
        free(c);
    }
    if (h->freed)
        free(h);
}

static void bury(struct http_call *c)
{
    struct http_caller *h = c->caller;
    c->cancelled = true;
    sim_call_cancel(&c->call);
    DL_DELETE(h->calls, c);
    DL_APPEND(h->graveyard, c);
    h->count--;
    if (!h->tend_due)
        loop_defer(h->loop, tend, h);
    h->tend_due = true;
}

struct http_caller *http_caller_new(struct loop *l)
{
    struct http_caller *h = mem_alloc(sizeof(*h));
    h->loop = l;
    return h;
}

void http_caller_free(struct http_caller **at)
{
    struct http_caller *h = *at;
    if (!h)
        return;
    *at = NULL;
    while (h->calls)
        bury(h->calls);
    h->freed = true;
    if (!h->tend_due)
        loop_defer(h->loop, tend, h);
    h->tend_due = true;
}

/* -- what comes -- */

static void on_head(struct sim_call *s, const char *text, void *user)
{
    struct http_call *c = user;
    (void)s;
    for (const char *line = text; *line != '\0';) {
        const char *end = strchr(line, '\n');
        INVARIANT(end);
        http_call_head_line(&c->head, (struct slice){line, (size_t)(end + 1 - line)});
        line = end + 1;
    }
    if (c->on_head)
        c->on_head(c, &c->head, c->user);
}

static void note_heard(const struct http_call *c)
{
    if (c->to_cluster)
        sim_loop_process(c->caller->loop)->heard_cluster_ms = sim_now();
}

static void on_data(struct sim_call *s, struct slice piece, void *user)
{
    struct http_call *c = user;
    bool streams = c->on_data && (c->whole_stream || c->head.status / 100 == 2);
    (void)s;
    note_heard(c);
    if (c->cancelled)
        return;
    if (streams)
        c->on_data(c, piece, c->user);
    else
        buf_add(&c->reply, piece.at, piece.len);
}

static void finish(struct http_call *c, const struct http_call_result *result)
{
    c->call = NULL;
    if (c->cancelled)
        return;
    c->cancelled = true; /* its own callback may not end it again */
    c->done(c, result, c->user);
    bury(c);
}

static int64_t retry_after(const struct http_call *c)
{
    char text[16];
    struct slice s = http_call_head_get(&c->head, "Retry-After");
    snprintf(text, sizeof(text), "%.*s", s.len < sizeof(text) ? (int)s.len : 0, s.at ? s.at : "");
    return *text ? atoll(text) : -1;
}

static void on_end(struct sim_call *s, void *user)
{
    struct http_call *c = user;
    struct err err;
    struct http_call_result r = {.retry_after_s = -1};
    (void)s;
    note_heard(c);
    if (c->reply.overflowed) {
        err_set(&err, ERR_UPSTREAM, "the answer is longer than %zu bytes", c->reply_max);
        r.err = &err;
    } else {
        r.status = c->head.status;
        r.body = buf_slice(&c->reply);
        r.retry_after_s = retry_after(c);
    }
    finish(c, &r);
}

static void on_fail(struct sim_call *s, enum sim_failure why, void *user)
{
    static const enum err_code CODES[] = {[SIM_NOT_CONNECTED] = ERR_UNAVAILABLE,
                                          [SIM_BROKEN] = ERR_UPSTREAM,
                                          [SIM_TIMEOUT] = ERR_DEADLINE};
    static const char *const WORDS[] = {[SIM_NOT_CONNECTED] = "no connection",
                                        [SIM_BROKEN] = "the connection broke",
                                        [SIM_TIMEOUT] = "no answer in time"};
    struct err err;
    struct http_call_result r = {.retry_after_s = -1, .err = &err};
    (void)s;
    err_set(&err, CODES[why], "%s", WORDS[why]);
    finish(user, &r);
}

static const struct sim_call_events EVENTS = {on_head, on_data, on_end, on_fail};

/* -- start -- */

static char *fields_of(const struct http_call_request *req)
{
    struct buf fields;
    buf_init(&fields, (size_t)256 * 1024);
    for (unsigned i = 0; i < req->header_count; i++)
        buf_addf(&fields, "%s\r\n", req->headers[i]);
    char *text = mem_text(buf_text(&fields));
    buf_fini(&fields);
    return text;
}

/* "http://local-api/path" to the host and what comes behind it. */
static const char *split(const char *url, char *address, size_t size)
{
    const char *host = strstr(url, "://") + 3;
    const char *path = strchr(host, '/');
    INVARIANT(path && (size_t)(path - host) < size);
    snprintf(address, size, "%.*s", (int)(path - host), host);
    return path;
}

int http_call_start(struct http_caller *h, const struct http_call_request *req,
                    http_call_done_f *done, void *user, struct http_call **out, struct err *err)
{
    char address[64];
    (void)err;
    struct http_call *c = mem_alloc(sizeof(*c));
    c->caller = h;
    c->done = done;
    c->user = user;
    c->on_data = req->on_data;
    c->on_head = req->on_head;
    c->whole_stream = req->on_data && req->on_head;
    c->reply_max = req->reply_max ? req->reply_max : REPLY_MAX;
    buf_init(&c->reply, c->reply_max);
    http_call_head_init(&c->head);
    DL_APPEND(h->calls, c);
    struct sim_process *p = sim_loop_process(h->loop);
    if (++h->count > IN_FLIGHT_MAX)
        sim_violated("queues", "%s has %d calls under way", p->name, h->count);
    char *fields CLEANUP(mem_free_text) = fields_of(req);
    const struct sim_call_request r = {
        .method = req->method,
        .target = split(req->url, address, sizeof(address)),
        .fields = fields,
        .body = req->body,
        .body_streamed = req->body_streamed,
        .content_length = req->content_length,
        .connect_ms = req->connect_ms > 0 ? req->connect_ms : CONNECT_MS,
        .total_ms = req->total_ms,
        .idle_ms = req->idle_ms,
    };
    c->to_cluster = strstr(address, "-api") != NULL;
    if (!c->to_cluster)
        sim_trace("%s: %s %s", p->name, req->method, req->url);
    c->call = sim_call_start(p, sim_address_find(address, r.target), &r, &EVENTS, c);
    *out = c;
    return 0;
}

void http_call_cancel(struct http_call **at)
{
    struct http_call *c = *at;
    if (!c)
        return;
    *at = NULL;
    if (!c->cancelled)
        bury(c);
}

size_t http_call_write(struct http_call *c, struct slice piece)
{
    if (c->call)
        sim_call_write(c->call, piece);
    return 0;
}

void http_call_body_end(struct http_call *c)
{
    if (c->call)
        sim_call_body_end(c->call);
}

/* Nothing here is large enough to be held back. */
void http_call_pause(struct http_call *c)
{
    (void)c;
    UNREACHABLE();
}

void http_call_resume(struct http_call *c)
{
    (void)c;
}
