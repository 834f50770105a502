/* sim_upstream.c - http/upstream.h (our own pool of connections in production) on the simulated
 * network. */
#include "base/mem.h"
#include "http/upstream.h"
#include "http/upstream_pool.h"
#include "sim_address.h"
#include "sim_call.h"
#include "sim_loop.h"
#include "sim_property.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#define IN_FLIGHT_MAX 400

const struct upstream_conf UPSTREAM_CONF_DEFAULT = {.connect_ms = 2000};

/* Asked for by name only: there are no connections here. */
static const struct fsm_state STATES[] = {UPSTREAM_CONN_STATES(FSM_STATE)};
const struct fsm_table UPSTREAM_CONN_FSM = {"upstream_conn", STATES, ARRAY_LEN(STATES)};

/* Production's call is what others of its room see of it. */
struct flight {
    struct flight *prev, *next;
    struct upstream_call base;
    struct upstream *pool;
    struct sim_call *call; /* NULL: over */
    struct http_parser *parser;
    bool dead;
};

/* Hides production's pool, which nobody else looks into. */
struct pool {
    struct upstream base;
    struct flight *flights, *graveyard;
    int count;
    bool tend_due, freed;
};

static struct pool *pool_of(struct upstream *u)
{
    return container_of(u, struct pool, base);
}

static struct flight *flight_of(struct upstream_call *c)
{
    return container_of(c, struct flight, base);
}

/* -- freeing: never what a callback runs in -- */

static void tend(void *user)
{
    struct pool *p = user;
    struct flight *f, *next;
    p->tend_due = false;
    DL_FOREACH_SAFE(p->graveyard, f, next)
    {
        DL_DELETE(p->graveyard, f);
        http_parser_free(&f->parser);
        free(f);
    }
    if (p->freed)
        free(p);
}

static void tend_later(struct pool *p)
{
    if (!p->tend_due)
        loop_defer(p->base.loop, tend, p);
    p->tend_due = true;
}

static void bury(struct flight *f)
{
    struct pool *p = pool_of(f->pool);
    f->dead = true;
    sim_call_cancel(&f->call);
    DL_DELETE(p->flights, f);
    DL_APPEND(p->graveyard, f);
    p->count--;
    tend_later(p);
}

struct upstream *upstream_new(struct loop *l, const struct upstream_conf *conf)
{
    struct pool *p = mem_alloc(sizeof(*p));
    p->base.loop = l;
    p->base.conf = *conf;
    return &p->base;
}

void upstream_free(struct upstream **at)
{
    struct upstream *u = *at;
    if (!u)
        return;
    *at = NULL;
    struct pool *p = pool_of(u);
    while (p->flights) {
        struct flight *f = p->flights;
        bury(f);
        if (f->base.dropped)
            f->base.dropped(f->base.user);
    }
    p->freed = true;
    tend_later(p);
}

/* -- what comes -- */

static void on_head_parsed(struct http_parser *parser, const struct http_head *head, void *user)
{
    struct flight *f = user;
    (void)parser;
    f->base.events->on_head(&f->base, head, f->base.user);
}

static void on_body_parsed(struct http_parser *parser, struct slice piece, void *user)
{
    (void)parser;
    (void)piece;
    (void)user;
}

static void on_end_parsed(struct http_parser *parser, void *user)
{
    (void)parser;
    (void)user;
}

static void on_head(struct sim_call *s, const char *text, void *user)
{
    static const struct http_parser_events EVENTS = {on_head_parsed, on_body_parsed, on_end_parsed};
    struct flight *f = user;
    struct err err;
    size_t used = 0;
    (void)s;
    f->parser = http_parser_new(HTTP_PARSE_RESPONSES, &HTTP_LIMITS_DEFAULT, &EVENTS, f);
    int rc = http_parser_feed(f->parser, slice_of(text), &used, &err);
    INVARIANT(rc == 0);
}

static void on_data(struct sim_call *s, struct slice piece, void *user)
{
    struct flight *f = user;
    (void)s;
    if (!f->dead)
        f->base.events->on_data(&f->base, piece, f->base.user);
}

static void on_end(struct sim_call *s, void *user)
{
    struct flight *f = user;
    (void)s;
    f->call = NULL;
    if (f->dead)
        return;
    f->dead = true;
    f->base.events->on_end(&f->base, f->base.user);
    bury(f);
}

static void on_fail(struct sim_call *s, enum sim_failure why, void *user)
{
    struct flight *f = user;
    struct err err;
    bool sent = why != SIM_NOT_CONNECTED;
    (void)s;
    f->call = NULL;
    if (f->dead)
        return;
    f->dead = true;
    err_set(&err, why == SIM_TIMEOUT ? ERR_DEADLINE : ERR_UPSTREAM, "%s",
            sent ? "the sandbox does not answer" : "no connection in time");
    f->base.sent = sent;
    f->base.events->on_fail(&f->base, &err, sent, f->base.user);
    bury(f);
}

static const struct sim_call_events EVENTS = {on_head, on_data, on_end, on_fail};

/* -- start -- */

static char *fields_of(const struct upstream_request *req)
{
    struct buf fields;
    buf_init(&fields, (size_t)256 * 1024);
    for (unsigned i = 0; i < req->header_count; i++)
        buf_addf(&fields, "%.*s: %.*s\r\n", SLICE_ARG(req->headers[i].name),
                 SLICE_ARG(req->headers[i].value));
    char *text = mem_text(buf_text(&fields));
    buf_fini(&fields);
    return text;
}

int upstream_start(struct upstream *u, const struct upstream_target *target,
                   const struct upstream_request *req, const struct upstream_events *events,
                   void *user, struct upstream_call **out, struct err *err)
{
    char address[64];
    struct pool *p = pool_of(u);
    struct sim_process *process = sim_loop_process(u->loop);
    (void)err;
    if (++p->count > IN_FLIGHT_MAX)
        sim_violated("queues", "%s has %d calls to agents under way", process->name, p->count);
    struct flight *f = mem_alloc(sizeof(*f));
    f->pool = u;
    f->base.events = events;
    f->base.user = user;
    DL_APPEND(p->flights, f);
    snprintf(address, sizeof(address), "%s:%u", target->host, target->port);
    char *fields CLEANUP(mem_free_text) = fields_of(req);
    char *path CLEANUP(mem_free_text) = mem_text_n(req->target.at, req->target.len);
    const struct sim_call_request r = {
        .method = http_method_text(req->method),
        .target = path,
        .fields = fields,
        .body = req->body,
        .body_streamed = req->body_streamed,
        .content_length = req->content_length,
        .connect_ms = u->conf.connect_ms,
        .head_ms = req->head_ms,
        .total_ms = req->total_ms,
    };
    f->call = sim_call_start(process, sim_address_find(address, r.target), &r, &EVENTS, f);
    *out = &f->base;
    return 0;
}

size_t upstream_write(struct upstream_call *c, struct slice piece)
{
    struct flight *f = flight_of(c);
    if (f->call)
        sim_call_write(f->call, piece);
    return 0;
}

void upstream_body_end(struct upstream_call *c)
{
    struct flight *f = flight_of(c);
    if (f->call)
        sim_call_body_end(f->call);
}

bool upstream_call_sent(const struct upstream_call *c)
{
    const struct flight *f = flight_of((struct upstream_call *)(uintptr_t)c);
    return f->call && sim_call_sent(f->call);
}

/* Nothing here is large enough to be held back. */
void upstream_pause(struct upstream_call *c)
{
    (void)c;
    UNREACHABLE();
}

void upstream_resume(struct upstream_call *c)
{
    (void)c;
}

void upstream_cancel(struct upstream_call **at)
{
    struct upstream_call *c = *at;
    if (!c)
        return;
    *at = NULL;
    if (!flight_of(c)->dead)
        bury(flight_of(c));
}

void upstream_forget(struct upstream *u, const struct upstream_target *target)
{
    (void)u;
    (void)target;
}
