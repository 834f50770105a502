#include "sim_call.h"

#include "base/mem.h"
#include "sim_network.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#define PIECE_MAX  ((size_t)64 * 1024 * 1024)
#define RESEND_MS  50 /* how often a cut link is tried again */
#define FIELDS_MAX ((size_t)64 * 1024)

enum kind { REQUEST, BODY, GONE, HEAD, DATA, END, BROKEN };

struct message {
    struct message *next;
    enum kind kind;
    int64_t at_ms;
    struct buf bytes;
};

/* One direction. */
struct way {
    struct message *waiting;
    struct sim_event *event; /* of the first one's arrival */
    int64_t last_ms;         /* nothing arrives before what was sent earlier */
};

struct sim_call {
    struct sim_call *prev, *next;
    struct sim_process *from, *to; /* to NULL: nobody is there */
    struct way up, down;
    char *method, *target, *fields;
    const struct sim_call_events *events;
    void *user;
    const struct sim_call_server *server;
    void *host_user, *serve_user;
    struct sim_event *connect, *head_end, *total_end, *idle_end;
    int64_t connect_by, idle_ms; /* connect_by 0: no limit */
    bool connected;
    bool arrived;           /* the answering side knows of it */
    bool asking, answering; /* each side that is not done */
    bool muted;             /* whoever answers has died: nothing of it goes out any more */
    int busy;               /* a callback is on the stack */
};

static struct sim_call *calls;

/* -- the end -- */

static void free_way(struct way *w)
{
    sim_world_cancel(&w->event);
    while (w->waiting) {
        struct message *m = w->waiting;
        LL_DELETE(w->waiting, m);
        buf_fini(&m->bytes);
        free(m);
    }
}

static void free_call(struct sim_call *c)
{
    DL_DELETE(calls, c);
    free_way(&c->up);
    free_way(&c->down);
    sim_world_cancel(&c->connect);
    sim_world_cancel(&c->head_end);
    sim_world_cancel(&c->total_end);
    sim_world_cancel(&c->idle_end);
    free(c->method);
    free(c->target);
    free(c->fields);
    free(c);
}

/* What is still on its way keeps a call: the other side shall hear of the end. */
static void maybe_free(struct sim_call *c)
{
    if (c->busy == 0 && !c->asking && !c->answering && !c->up.waiting && !c->connect)
        free_call(c);
}

static void stop_asking(struct sim_call *c)
{
    c->asking = false;
    sim_world_cancel(&c->head_end);
    sim_world_cancel(&c->total_end);
    sim_world_cancel(&c->idle_end);
    free_way(&c->down);
}

/* -- messages -- */

static void deliver_up(struct sim_call *c, struct message *m)
{
    struct slice bytes = buf_slice(&m->bytes);
    if (m->kind == REQUEST) {
        c->arrived = c->answering = true;
        c->server->on_request(c, c->host_user);
    } else if (!c->answering) {
        return;
    } else if (m->kind == BODY && c->server->on_body) {
        c->server->on_body(c, bytes, c->serve_user);
    } else if (m->kind == GONE && c->server->on_gone) {
        c->server->on_gone(c, c->serve_user);
    }
}

static void on_idle_end(void *user);

static void heard(struct sim_call *c)
{
    sim_world_cancel(&c->idle_end);
    if (c->idle_ms > 0 && c->asking)
        c->idle_end = sim_world_at(c->from, sim_now() + c->idle_ms, on_idle_end, NULL, c);
}

static void deliver_down(struct sim_call *c, struct message *m)
{
    if (!c->asking)
        return;
    heard(c);
    if (m->kind == HEAD) {
        sim_world_cancel(&c->head_end);
        c->events->on_head(c, buf_text(&m->bytes), c->user);
    } else if (m->kind == DATA) {
        c->events->on_data(c, buf_slice(&m->bytes), c->user);
    } else {
        stop_asking(c);
        if (m->kind == END)
            c->events->on_end(c, c->user);
        else
            c->events->on_fail(c, SIM_BROKEN, c->user);
    }
}

static void on_up(void *user);
static void on_down(void *user);
static void on_up_dropped(void *user);

static void arm(struct sim_call *c, bool up, int64_t at_ms)
{
    struct way *w = up ? &c->up : &c->down;
    w->event = sim_world_at(up ? c->to : c->from, at_ms, up ? on_up : on_down,
                            up ? on_up_dropped : NULL, c);
}

static void arrive(struct sim_call *c, bool up)
{
    struct way *w = up ? &c->up : &c->down;
    w->event = NULL;
    if (!sim_network_reaches(c->from, c->to)) {
        arm(c, up, sim_now() + RESEND_MS);
        return;
    }
    struct message *m = w->waiting;
    LL_DELETE(w->waiting, m);
    if (w->waiting)
        arm(c, up, w->waiting->at_ms);
    c->busy++;
    (up ? deliver_up : deliver_down)(c, m);
    c->busy--;
    buf_fini(&m->bytes);
    free(m);
    maybe_free(c);
}

static void on_up(void *user)
{
    arrive(user, true);
}

static void on_down(void *user)
{
    arrive(user, false);
}

/* Whoever should have got it is dead. */
static void on_up_dropped(void *user)
{
    struct sim_call *c = user;
    c->up.event = NULL;
    free_way(&c->up);
    maybe_free(c);
}

static void send(struct sim_call *c, bool up, enum kind kind, struct slice bytes)
{
    struct way *w = up ? &c->up : &c->down;
    struct message *m = mem_alloc(sizeof(*m));
    int64_t at_ms = sim_now() + sim_network_latency_ms();
    m->kind = kind;
    m->at_ms = w->last_ms = at_ms > w->last_ms ? at_ms : w->last_ms;
    buf_init(&m->bytes, PIECE_MAX);
    buf_add(&m->bytes, bytes.at, bytes.len);
    LL_APPEND(w->waiting, m);
    if (!w->event && (!up || c->connected))
        arm(c, up, m->at_ms);
}

/* -- the asking side -- */

static void tell_gone(struct sim_call *c)
{
    stop_asking(c);
    sim_world_cancel(&c->connect);
    if (!c->connected)
        free_way(&c->up);
    else if (!c->arrived || c->answering)
        send(c, true, GONE, (struct slice){0});
}

static void fail(struct sim_call *c, enum sim_failure why)
{
    if (!c->asking)
        return;
    c->busy++;
    tell_gone(c);
    c->events->on_fail(c, why, c->user);
    c->busy--;
    maybe_free(c);
}

static void run_out(struct sim_call *c)
{
    fail(c, c->connected ? SIM_TIMEOUT : SIM_NOT_CONNECTED);
}

static void on_head_end(void *user)
{
    struct sim_call *c = user;
    c->head_end = NULL;
    run_out(c);
}

static void on_total_end(void *user)
{
    struct sim_call *c = user;
    c->total_end = NULL;
    run_out(c);
}

static void on_idle_end(void *user)
{
    struct sim_call *c = user;
    c->idle_end = NULL;
    run_out(c);
}

/* An address that nobody has may refuse, or say nothing. */
static void on_connect(void *user)
{
    struct sim_call *c = user;
    bool silent = c->to ? !sim_network_reaches(c->from, c->to) : c->connect_by > 0;
    bool late = c->connect_by > 0 && sim_now() >= c->connect_by;
    c->connect = NULL;
    if (silent && !late) {
        c->connect = sim_world_at(c->from, sim_now() + RESEND_MS, on_connect, NULL, c);
    } else if (silent || !c->to || !c->to->alive) {
        fail(c, SIM_NOT_CONNECTED);
    } else {
        c->connected = true;
        arm(c, true, c->up.waiting->at_ms);
    }
}

static char *print_fields(const struct sim_call_request *r)
{
    if (r->body_streamed && r->content_length < 0)
        return mem_format("%sTransfer-Encoding: chunked\r\n", r->fields);
    if (r->body_streamed || r->body.len > 0)
        return mem_format("%sContent-Length: %lld\r\n", r->fields,
                          r->body_streamed ? (long long)r->content_length : (long long)r->body.len);
    return mem_text(r->fields);
}

struct sim_call *sim_call_start(struct sim_process *from, struct sim_host *host,
                                const struct sim_call_request *r,
                                const struct sim_call_events *events, void *user)
{
    struct sim_call *c = mem_alloc(sizeof(*c));
    int64_t now = sim_now();
    c->from = from;
    c->to = host ? host->process : NULL;
    c->server = host ? host->server : NULL;
    c->host_user = host ? host->user : NULL;
    c->method = mem_text(r->method);
    c->target = mem_text(r->target);
    c->fields = print_fields(r);
    c->events = events;
    c->user = user;
    c->idle_ms = r->idle_ms;
    c->asking = true;
    c->connect_by = r->connect_ms > 0 ? now + r->connect_ms : 0;
    DL_APPEND(calls, c);
    send(c, true, REQUEST, (struct slice){0});
    if (r->body.len > 0)
        send(c, true, BODY, r->body);
    if (!r->body_streamed)
        send(c, true, BODY, (struct slice){0});
    if (r->head_ms > 0)
        c->head_end = sim_world_at(from, now + r->head_ms, on_head_end, NULL, c);
    if (r->total_ms > 0)
        c->total_end = sim_world_at(from, now + r->total_ms, on_total_end, NULL, c);
    heard(c);
    c->connect = sim_world_at(from, now + sim_network_latency_ms(), on_connect, NULL, c);
    return c;
}

void sim_call_write(struct sim_call *c, struct slice piece)
{
    if (piece.len > 0)
        send(c, true, BODY, piece);
}

void sim_call_body_end(struct sim_call *c)
{
    send(c, true, BODY, (struct slice){0});
}

void sim_call_cancel(struct sim_call **at)
{
    struct sim_call *c = *at;
    if (!c)
        return;
    *at = NULL;
    tell_gone(c);
    maybe_free(c);
}

bool sim_call_sent(const struct sim_call *c)
{
    return c->connected;
}

/* -- the answering side -- */

const char *sim_call_method(const struct sim_call *c)
{
    return c->method;
}

const char *sim_call_target(const struct sim_call *c)
{
    return c->target;
}

const char *sim_call_fields(const struct sim_call *c)
{
    return c->fields;
}

struct sim_process *sim_call_from(const struct sim_call *c)
{
    return c->from;
}

void sim_call_serve(struct sim_call *c, void *user)
{
    c->serve_user = user;
}

void sim_call_head(struct sim_call *c, int status, const char *fields, int64_t length)
{
    struct buf head;
    if (!c->asking || c->muted)
        return;
    buf_init(&head, FIELDS_MAX);
    buf_addf(&head, "HTTP/1.1 %d %s\r\n%s", status, http_status_text(status), fields);
    if (length >= 0 && status != 204)
        buf_addf(&head, "Content-Length: %lld\r\n", (long long)length);
    else if (status != 204)
        buf_add_text(&head, "Transfer-Encoding: chunked\r\n");
    buf_add_text(&head, "\r\n");
    send(c, false, HEAD, buf_slice(&head));
    buf_fini(&head);
}

void sim_call_data(struct sim_call *c, struct slice piece)
{
    if (c->asking && !c->muted && piece.len > 0)
        send(c, false, DATA, piece);
}

static void stop_answering(struct sim_call *c, enum kind kind)
{
    INVARIANT(c->answering);
    c->answering = false;
    free_way(&c->up);
    if (c->asking && !c->muted)
        send(c, false, kind, (struct slice){0});
    maybe_free(c);
}

void sim_call_end(struct sim_call *c)
{
    stop_answering(c, END);
}

void sim_call_abort(struct sim_call *c)
{
    stop_answering(c, BROKEN);
}

/* -- all of them -- */

void sim_call_died(struct sim_process *p)
{
    struct sim_call *c, *next;
    DL_FOREACH_SAFE(calls, c, next)
    {
        if (c->to != p || !c->connected || (c->arrived && !c->answering))
            continue;
        free_way(&c->up);
        if (c->asking)
            send(c, false, BROKEN, (struct slice){0});
        c->muted = c->arrived = true;
        maybe_free(c);
    }
}

size_t sim_call_open(const struct sim_process *p)
{
    struct sim_call *c;
    size_t n = 0;
    DL_FOREACH(calls, c)
    n += (c->from == p && c->asking) || (c->to == p && c->answering);
    return n;
}

void sim_call_end_all(void)
{
    while (calls)
        free_call(calls);
}
