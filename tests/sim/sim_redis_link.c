/* sim_redis_link.c - router/redis_link.h (hiredis in production) towards a simulated server. */
#include "sim_redis_link.h"

#include "base/loop.h"
#include "base/mem.h"
#include "router/redis_link.h"
#include "sim_loop.h"
#include "sim_network.h"
#include "sim_redis.h"

#include <stdlib.h>
#include <utlist.h>

#define PORTS_MAX 4

/* One command and its answer. */
struct message {
    struct message *prev, *next;
    struct redis_link *link;
    void *command; /* NULL: given back already, but it arrives */
    struct slice args[REDIS_ARGS_MAX];
    int count;
    struct redis_value *answer;
    struct sim_event *arrival; /* there, or of the answer here */
    int64_t back_ms;
};

struct redis_link {
    struct redis_link *prev, *next;
    struct sim_redis *server;
    struct sim_process *here;
    const struct redis_link_ops *ops;
    void *user;
    struct message *messages;
    struct sim_event *event; /* connected, or ended */
    int64_t up_ms, down_ms;  /* the last arrivals: each way keeps its order */
    bool over, reading;
};

static struct {
    int port;
    struct sim_redis *server;
} listeners[PORTS_MAX];
static int listener_count;
static struct redis_link *links;

void sim_redis_link_begin(void)
{
    listener_count = 0;
}

void sim_redis_link_listen(int port, struct sim_redis *r)
{
    INVARIANT(listener_count < PORTS_MAX);
    listeners[listener_count].port = port;
    listeners[listener_count++].server = r;
}

/* -- ends -- */

static void free_message(struct message *m)
{
    DL_DELETE(m->link->messages, m);
    sim_world_cancel(&m->arrival);
    for (int i = 0; i < m->count; i++)
        free((char *)(uintptr_t)m->args[i].at);
    sim_redis_reply_free(&m->answer);
    free(m);
}

static void maybe_free(struct redis_link *l)
{
    if (!l->over || l->messages || l->reading)
        return;
    DL_DELETE(links, l);
    sim_world_cancel(&l->event);
    free(l);
}

/* What is on its way there arrives; nobody hears what comes of it. */
static void give_back_all(struct redis_link *l)
{
    struct message *m, *next;
    DL_FOREACH_SAFE(l->messages, m, next)
    {
        void *command = m->command;
        m->command = NULL;
        if (m->answer)
            free_message(m);
        if (command)
            l->ops->answered(NULL, NULL, command);
    }
    maybe_free(l);
}

void redis_link_drop(struct redis_link *l)
{
    l->over = true;
    give_back_all(l);
}

static void on_ended(void *user)
{
    struct redis_link *l = user;
    l->event = NULL;
    if (l->over)
        return;
    l->over = true;
    l->ops->ended("the connection was closed", l->user);
    give_back_all(l);
}

void sim_redis_link_died(struct sim_redis *r)
{
    struct redis_link *l;
    DL_FOREACH(links, l)
    {
        if (l->server != r || l->over)
            continue;
        sim_world_cancel(&l->event);
        l->event = sim_world_at(l->here, sim_now() + sim_network_latency_ms(), on_ended, NULL, l);
    }
}

void sim_redis_link_end(void)
{
    while (links) {
        struct redis_link *l = links;
        l->over = true;
        while (l->messages)
            free_message(l->messages);
        maybe_free(l);
    }
}

/* -- messages -- */

static int64_t arrival_ms(int64_t *last_ms)
{
    int64_t at = sim_now() + sim_network_latency_ms();
    *last_ms = at > *last_ms ? at : *last_ms;
    return *last_ms;
}

static void give(struct message *m)
{
    struct redis_link *l = m->link;
    void *command = m->command;
    struct redis_value *v = m->answer;
    bool bad = v->kind == REDIS_TEXT && slice_starts_with(v->text, "-ERR");
    m->answer = NULL;
    free_message(m);
    if (!l->over)
        l->ops->answered(bad ? NULL : v, bad ? v->text.at : NULL, command);
    sim_redis_reply_free(&v);
}

/* What came before it on the connection is read first, also behind a stall. */
static void on_back(void *user)
{
    struct message *m = user;
    m->arrival = NULL;
    redis_link_read(m->link);
}

static void trace(const struct message *m)
{
    const struct slice *a = m->args;
    const struct slice none = {"", 0};
    int first = slice_eq(a[0], "EVAL") ? 3 : 1;
    struct slice more = m->count > first + 1 ? a[first + 1] : none;
    if (more.len > 60)
        more.len = 60;
    if (m->count > first)
        sim_trace("%s: %.*s %.*s %.*s of %s", sim_redis_process(m->link->server)->name,
                  SLICE_ARG(a[0]), SLICE_ARG(a[first]), SLICE_ARG(more), m->link->here->name);
}

static void on_arrived(void *user)
{
    struct message *m = user;
    struct redis_link *l = m->link;
    m->arrival = NULL;
    m->answer = sim_redis_run(l->server, m->args, m->count);
    trace(m);
    if (l->over) {
        free_message(m);
        maybe_free(l);
        return;
    }
    m->back_ms = arrival_ms(&l->down_ms);
    m->arrival = sim_world_at(l->here, m->back_ms, on_back, NULL, m);
}

/* The server died before. */
static void on_lost(void *user)
{
    struct message *m = user;
    struct redis_link *l = m->link;
    m->arrival = NULL;
    if (m->command)
        return; /* given back with the connection's end */
    free_message(m);
    maybe_free(l);
}

bool redis_link_send(struct redis_link *l, const struct slice *args, int count, void *command)
{
    if (l->over || !l->here->alive) /* what is dead sends nothing */
        return false;
    struct message *m = mem_alloc(sizeof(*m));
    m->link = l;
    m->command = command;
    m->count = count;
    for (int i = 0; i < count; i++)
        m->args[i] =
            (struct slice){mem_text_n(args[i].at ? args[i].at : "", args[i].len), args[i].len};
    DL_APPEND(l->messages, m);
    m->arrival =
        sim_world_at(sim_redis_process(l->server), arrival_ms(&l->up_ms), on_arrived, on_lost, m);
    return true;
}

void redis_link_read(struct redis_link *l)
{
    l->reading = true;
    while (!l->over && l->messages && l->messages->answer && l->messages->back_ms <= sim_now()) {
        struct message *m = l->messages;
        sim_world_cancel(&m->arrival);
        give(m);
    }
    l->reading = false;
    maybe_free(l);
}

void redis_link_flush(struct redis_link *l)
{
    (void)l;
}

/* -- connections -- */

static void on_connect(void *user)
{
    struct redis_link *l = user;
    l->event = NULL;
    if (l->over)
        return;
    if (sim_redis_process(l->server)->alive)
        l->ops->connected(l->user);
    else
        on_ended(l);
}

struct redis_link *redis_link_new(struct loop *loop, const char *path, const char *address,
                                  int port, const struct redis_link_ops *ops, void *user,
                                  struct err *err)
{
    int i = 0;
    (void)path;
    (void)address;
    (void)err;
    while (i < listener_count && listeners[i].port != port)
        i++;
    INVARIANT(i < listener_count);
    struct redis_link *l = mem_alloc(sizeof(*l));
    l->server = listeners[i].server;
    l->here = sim_loop_process(loop);
    l->ops = ops;
    l->user = user;
    DL_APPEND(links, l);
    l->event = sim_world_at(l->here, sim_now() + sim_network_latency_ms(), on_connect, NULL, l);
    return l;
}
