/* wire_server.c - the server that the wire tests talk to: http_server, relay, upstream and
 * http_call with handlers that show one behaviour each. Prints its port; SIGTERM drains it. */
#include "base/mem.h"
#include "http/http_call.h"
#include "http/http_dispatch.h"
#include "http/http_reply.h"
#include "http/problem.h"
#include "http/relay.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define ECHO_MAX  ((size_t)1024 * 1024)
#define SMALL_MAX ((size_t)10)
#define PIECE     ((size_t)32 * 1024)

struct wire {
    struct loop *loop;
    struct http_server *server;
    struct upstream *upstream;
    struct http_caller *caller;
    struct upstream_target backend;
    int64_t head_ms;
    int64_t total_ms;
    /* what the tests ask for */
    unsigned requests, gone, replied;
    unsigned fetches, fetched, calls, called, relays, relayed, too_early, cancelled;
    char last[300];
    bool starting; /* inside a start call: a callback now would break the contract */
};

/* ---- plain answers ---- */

static void hello(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    (void)m;
    (void)user;
    http_reply(x, 200, "text/plain", slice_of("hello"));
}

static void count(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct wire *w = user;
    char text[900];
    (void)m;
    snprintf(
        text, sizeof(text),
        "{\"requests\":%u,\"gone\":%u,\"replied\":%u,\"fetches\":%u,\"fetched\":%u,\"calls\":%u,"
        "\"called\":%u,\"relays\":%u,\"relayed\":%u,\"too_early\":%u,\"cancelled\":%u,"
        "\"connections\":%u,\"last\":\"%s\"}",
        w->requests, w->gone, w->replied, w->fetches, w->fetched, w->calls, w->called, w->relays,
        w->relayed, w->too_early, w->cancelled, http_server_connections(w->server), w->last);
    http_reply(x, 200, "application/json", slice_of(text));
}

static void collected(struct http_exchange *x, struct slice body, const struct err *err, void *user)
{
    (void)user;
    if (err != NULL)
        problem_reply(x, err);
    else
        http_reply(x, 200, "application/octet-stream", body);
}

static void echo(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    (void)m;
    http_exchange_collect(x, ECHO_MAX, collected, user);
}

static void small(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    (void)m;
    http_exchange_collect(x, SMALL_MAX, collected, user);
}

static void fields(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    const struct http_head *h = http_exchange_head(x);
    struct buf out;
    (void)m;
    (void)user;
    buf_init(&out, (size_t)64 * 1024);
    for (unsigned i = 0; i < h->header_count; i++)
        buf_addf(&out, "%.*s=[%.*s]\n", SLICE_ARG(h->headers[i].name),
                 SLICE_ARG(h->headers[i].value));
    http_reply(x, 200, "text/plain", buf_slice(&out));
    buf_fini(&out);
}

static void nothing(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    (void)m;
    (void)user;
    http_reply(x, 204, NULL, (struct slice){NULL, 0});
}

/* ---- streams ---- */

static void echo_data(struct http_exchange *x, struct slice piece, void *user)
{
    (void)user;
    if (http_reply_write(x, piece) > HTTP_REPLY_HIGH_WATER)
        http_exchange_pause(x);
}

static void echo_end(struct http_exchange *x, const struct err *err, void *user)
{
    (void)user;
    if (err != NULL)
        http_reply_abort(x);
    else
        http_reply_end(x);
}

static void echo_drained(struct http_exchange *x, void *user)
{
    (void)user;
    http_exchange_resume(x);
}

static void stream_echo(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    static const struct http_body_events events = {echo_data, echo_end};
    (void)m;
    http_reply_begin(x, 200, -1);
    http_reply_on_drain(x, echo_drained, NULL);
    http_exchange_stream(x, &events, user);
}

static void held_on(void *user)
{
    http_exchange_resume(user);
}

/* Takes a piece a turn. */
static void held_data(struct http_exchange *x, struct slice piece, void *user)
{
    (void)user;
    http_reply_write(x, piece);
    http_exchange_pause(x);
    loop_defer(http_exchange_loop(x), held_on, x);
}

static void held_echo(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    static const struct http_body_events events = {held_data, echo_end};
    (void)m;
    http_reply_begin(x, 200, -1);
    http_exchange_stream(x, &events, user);
}

struct big {
    int64_t left;
};

static void big_more(struct http_exchange *x, void *user)
{
    static const char bytes[PIECE];
    struct big *b = user;
    size_t waiting = 0;
    while (b->left > 0 && waiting <= HTTP_REPLY_HIGH_WATER && !http_exchange_gone(x)) {
        size_t n = b->left < (int64_t)PIECE ? (size_t)b->left : PIECE;
        waiting = http_reply_write(x, (struct slice){bytes, n});
        b->left -= (int64_t)n;
    }
    if (b->left > 0 && !http_exchange_gone(x))
        return;
    free(b);
    http_reply_end(x);
}

static void big(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct big *b = mem_alloc(sizeof(*b));
    struct err err;
    (void)m;
    (void)user;
    b->left = 1000;
    if (http_query_int(http_exchange_head(x)->query, "bytes", 0, INT64_MAX, &b->left, &err) < 0) {
        free(b);
        problem_reply(x, &err);
        return;
    }
    http_reply_begin(x, 200, b->left);
    http_reply_on_drain(x, big_more, b);
    http_exchange_on_gone(x, big_more, b);
    big_more(x, b);
}

/* ---- waiting ---- */

struct slow {
    struct wire *w;
    struct http_exchange *x;
    struct timer *timer;
};

static void slow_end(void *user)
{
    struct slow *s = user;
    timer_free(loop_world(s->w->loop), &s->timer);
    s->w->replied++;
    http_reply(s->x, 200, "text/plain", slice_of("slow"));
    free(s);
}

static void slow_gone(struct http_exchange *x, void *user)
{
    struct slow *s = user;
    s->w->gone++;
    timer_free(loop_world(s->w->loop), &s->timer);
    http_reply(x, 200, "text/plain", slice_of("nobody"));
    free(s);
}

static void slow(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct wire *w = user;
    struct slow *s;
    int64_t ms = 100;
    struct err err;
    (void)m;
    if (http_query_int(http_exchange_head(x)->query, "ms", 0, 60000, &ms, &err) < 0) {
        problem_reply(x, &err);
        return;
    }
    s = mem_alloc(sizeof(*s));
    *s = (struct slow){w, x, timer_new(loop_world(w->loop), slow_end, s)};
    timer_start(loop_world(w->loop), s->timer, ms, 0);
    http_exchange_on_gone(x, slow_gone, s);
}

/* ---- upstream ---- */

static void relayed(int status, const struct err *err, bool sent, void *user)
{
    struct wire *w = user;
    (void)status;
    (void)err;
    (void)sent;
    w->relayed++;
    w->too_early += w->starting;
}

static void relay(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    static const struct relay_events events = {.on_done = relayed};
    static const struct http_header added[] = {{{"X-Added", 7}, {"yes", 3}}};
    struct wire *w = user;
    struct slice target = http_exchange_head(x)->target;
    struct relay_request req = {
        .method = http_exchange_head(x)->method,
        .target = {target.at + 6, target.len - 6}, /* behind "/relay" */
        .headers = added,
        .header_count = 1,
        .head_ms = w->head_ms,
        .total_ms = w->total_ms,
        .body_max = (int64_t)512 * 1024 * 1024,
    };
    (void)m;
    w->relays++;
    w->starting = true;
    relay_start(x, w->upstream, &w->backend, &req, &events, w);
    w->starting = false;
}

struct asked {
    struct wire *w;
    struct http_exchange *x;
};

static void answer(struct asked *a, int status, struct slice body, const struct err *err)
{
    if (err != NULL)
        problem_reply(a->x, err);
    else
        http_reply(a->x, status, "text/plain", body);
    free(a);
}

static void fetched(int status, struct slice body, const struct err *err, bool sent, void *user)
{
    struct asked *a = user;
    a->w->fetched++;
    a->w->too_early += a->w->starting;
    http_reply_header(a->x, "X-Sent", sent ? "yes" : "no");
    answer(a, status, body, err);
}

static void fetch(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct wire *w = user;
    struct upstream_fetch *f;
    struct err err;
    struct asked *a = mem_alloc(sizeof(*a));
    struct upstream_request req = {.method = http_exchange_head(x)->method,
                                   .target = {m->params[0].at - 1, m->params[0].len + 1},
                                   .head_ms = w->head_ms,
                                   .total_ms = w->total_ms};
    *a = (struct asked){w, x};
    w->starting = true;
    int rc = upstream_fetch_start(w->upstream, &w->backend, &req, 1000, fetched, a, &f, &err);
    w->starting = false;
    if (rc < 0)
        answer(a, 0, (struct slice){NULL, 0}, &err);
    else
        w->fetches++;
}

/* Starts and cancels at once: nothing may be called. */
static void cancel(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct wire *w = user;
    struct upstream_fetch *f;
    struct err err;
    struct asked never = {w, NULL};
    struct upstream_request req = {.method = HTTP_METHOD_GET, .target = slice_of("/cancelled")};
    (void)m;
    if (upstream_fetch_start(w->upstream, &w->backend, &req, 10, fetched, &never, &f, &err) == 0)
        upstream_fetch_cancel(&f);
    w->cancelled++;
    http_reply(x, 200, "text/plain", slice_of("cancelled"));
}

static void called(struct http_call *c, const struct http_call_result *result, void *user)
{
    struct asked *a = user;
    (void)c;
    a->w->called++;
    a->w->too_early += a->w->starting;
    answer(a, result->status, result->body, result->err);
}

static void call_data(struct http_call *c, struct slice piece, void *user)
{
    struct asked *a = user;
    (void)c;
    (void)piece;
    a->w->too_early += a->w->starting;
}

/* /call/plain/…, /call/stream/… (idle limit), /call/cancel/… */
static void call(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct wire *w = user;
    char url[200];
    struct http_call *c;
    struct err err;
    struct asked *a = mem_alloc(sizeof(*a));
    bool streams = slice_eq(m->params[0], "stream");
    snprintf(url, sizeof(url), "http://%s:%u/%.*s", w->backend.host, (unsigned)w->backend.port,
             SLICE_ARG(m->params[1]));
    struct http_call_request req = {
        .method = "GET", .url = url, .total_ms = w->total_ms, .reply_max = 1000};
    if (streams) {
        req.on_data = call_data;
        req.total_ms = 0;
        req.idle_ms = w->head_ms;
    }
    *a = (struct asked){w, x};
    w->starting = true;
    int rc = http_call_start(w->caller, &req, called, a, &c, &err);
    w->starting = false;
    if (rc < 0) {
        answer(a, 0, (struct slice){NULL, 0}, &err);
    } else if (slice_eq(m->params[0], "cancel")) {
        http_call_cancel(&c);
        w->cancelled++;
        answer(a, 200, slice_of("cancelled"), NULL);
    } else {
        w->calls++;
    }
}

/* ---- the program ---- */

static const struct http_route ROUTES[] = {
    {HTTP_METHOD_GET, "/hello", hello, "hello", "a small reply"},
    {HTTP_METHOD_POST, "/hello", hello, "hello", "a reply before the body"},
    {HTTP_METHOD_GET, "/count", count, "count", "what happened"},
    {HTTP_METHOD_POST, "/echo", echo, "echo", "the body back"},
    {HTTP_METHOD_POST, "/small", small, "small", "at most 10 bytes"},
    {HTTP_METHOD_GET, "/fields", fields, "fields", "the fields back"},
    {HTTP_METHOD_GET, "/nothing", nothing, "nothing", "204"},
    {HTTP_METHOD_POST, "/stream-echo", stream_echo, "stream", "the body back as it comes"},
    {HTTP_METHOD_POST, "/held-echo", held_echo, "held", "the same with a pause behind each piece"},
    {HTTP_METHOD_GET, "/big", big, "big", "many bytes"},
    {HTTP_METHOD_GET, "/slow", slow, "slow", "a late reply"},
    {HTTP_METHOD_GET, "/s/{id}/x", hello, "segments", "a routing segment"},
    {HTTP_METHOD_GET, "/relay/{rest...}", relay, "relay", "through"},
    {HTTP_METHOD_POST, "/relay/{rest...}", relay, "relay", "through"},
    {HTTP_METHOD_GET, "/fetch/{rest...}", fetch, "fetch", "whole answer"},
    {HTTP_METHOD_POST, "/fetch/{rest...}", fetch, "fetch", "whole answer"},
    {HTTP_METHOD_GET, "/cancel", cancel, "cancel", "started and cancelled"},
    {HTTP_METHOD_GET, "/call/{how}/{rest...}", call, "call", "by libcurl"},
};

static struct http_routes routes = HTTP_ROUTES(ROUTES);

static void on_request(struct http_exchange *x, void *user)
{
    struct wire *w = user;
    const struct http_head *h = http_exchange_head(x);
    if (!slice_eq(h->path, "/count")) {
        w->requests++;
        snprintf(w->last, sizeof(w->last), "%.*s ", SLICE_ARG(h->method_text));
        size_t n = strlen(w->last);
        for (size_t i = 0; i < h->path.len && n + 1 < sizeof(w->last); i++)
            w->last[n++] = strchr("\"\\", h->path.at[i]) != NULL ? '_' : h->path.at[i];
        w->last[n] = '\0';
    }
    http_dispatch(&routes, x, w);
}

static void on_drained(void *user)
{
    loop_stop(((struct wire *)user)->loop);
}

static void on_term(void *user)
{
    struct wire *w = user;
    http_server_drain(w->server, on_drained, w);
}

static int64_t option(int argc, char **argv, const char *name, int64_t otherwise)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], name) == 0)
            return strtoll(argv[i + 1], NULL, 10);
    }
    return otherwise;
}

/* "127.0.0.1:0", "unix:/path", or "name:web" for a socket handed over. */
static int listen_on(struct wire *w, int argc, char **argv, struct err *err)
{
    const char *address = "127.0.0.1:0";
    char handed[16];
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--listen") == 0)
            address = argv[i + 1];
    }
    if (strncmp(address, "name:", 5) == 0) {
        snprintf(handed, sizeof(handed), "fd:%d", http_server_inherited_fd(address + 5));
        address = handed;
    }
    return http_server_listen(w->server, address, err);
}

int main(int argc, char **argv)
{
    struct wire w = {.head_ms = option(argc, argv, "--answer-ms", 2000),
                     .total_ms = option(argc, argv, "--total-ms", 60000)};
    struct http_server_conf conf = HTTP_SERVER_CONF_DEFAULT;
    struct upstream_conf up = UPSTREAM_CONF_DEFAULT;
    struct err err;
    conf.header_ms = option(argc, argv, "--header-ms", conf.header_ms);
    conf.body_ms = option(argc, argv, "--body-ms", conf.body_ms);
    conf.body_rate = option(argc, argv, "--body-rate", conf.body_rate);
    conf.idle_ms = option(argc, argv, "--idle-ms", conf.idle_ms);
    conf.write_ms = option(argc, argv, "--write-ms", conf.write_ms);
    conf.connections_max = (unsigned)option(argc, argv, "--connections", conf.connections_max);
    up.per_target_max = (unsigned)option(argc, argv, "--per-target", up.per_target_max);
    up.queue_max = (unsigned)option(argc, argv, "--queue", up.queue_max);
    snprintf(w.backend.host, sizeof(w.backend.host), "127.0.0.1");
    w.backend.port = (uint16_t)option(argc, argv, "--backend", 1);
    w.loop = loop_new();
    w.server = http_server_new(w.loop, &conf, on_request, &w);
    w.upstream = upstream_new(w.loop, &up);
    w.caller = http_caller_new(w.loop);
    if (listen_on(&w, argc, argv, &err) < 0) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    printf("%d\n", http_server_port(w.server));
    fflush(stdout);
    loop_on_signal(w.loop, SIGTERM, on_term, &w);
    loop_run(w.loop);
    upstream_free(&w.upstream);
    http_caller_free(&w.caller);
    http_server_free(&w.server);
    loop_free(&w.loop);
    return 0;
}
