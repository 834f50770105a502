#include "sim_loop.h"

#include "base/mem.h"
#include "sim_property.h"
#include "sim_world.h"

#include <stdlib.h>
#include <utlist.h>

#define TURNS_MAX 10000 /* of deferred work behind one event: more is a loop that never rests */

struct deferred {
    struct deferred *next;
    loop_f *fn;
    void *user;
};

struct loop {
    struct world world;
    struct sim_process *process;
    struct deferred *deferred;
    size_t armed;
};

struct timer {
    struct loop *loop;
    struct sim_event *event;
    int64_t repeat_ms;
    timer_f *fn;
    void *user;
};

static struct sim_process *owner;

void sim_loop_of_process(struct sim_process *p)
{
    owner = p;
}

struct sim_process *sim_loop_process(const struct loop *l)
{
    return l->process;
}

size_t sim_loop_armed(const struct loop *l)
{
    return l->armed;
}

/* -- the world -- */

static struct loop *loop_of(struct world *w)
{
    return container_of(w, struct loop, world);
}

static int64_t now_ms(struct world *w)
{
    (void)w;
    return sim_now();
}

static int64_t wall_ms(struct world *w)
{
    return sim_wall() + loop_of(w)->process->wall_skew_ms;
}

static void random_bytes(struct world *w, void *out, size_t len)
{
    unsigned char *at = out;
    (void)w;
    for (size_t i = 0; i < len; i++)
        at[i] = (unsigned char)sim_draw();
}

static struct timer *new_timer(struct world *w, timer_f *fn, void *user)
{
    struct timer *t = mem_alloc(sizeof(*t));
    t->loop = loop_of(w);
    t->fn = fn;
    t->user = user;
    return t;
}

static void stop(struct timer *t)
{
    if (!t->event)
        return;
    sim_world_cancel(&t->event);
    t->loop->armed--;
}

static void on_due(void *user);

static void arm(struct timer *t, int64_t after_ms)
{
    t->event = sim_world_at(t->loop->process, sim_now() + after_ms, on_due, NULL, t);
    t->loop->armed++;
}

static void on_due(void *user)
{
    struct timer *t = user;
    t->event = NULL;
    t->loop->armed--;
    if (t->repeat_ms > 0)
        arm(t, t->repeat_ms);
    t->fn(t->user);
}

static void start(struct timer *t, int64_t after_ms, int64_t repeat_ms)
{
    stop(t);
    t->repeat_ms = repeat_ms;
    arm(t, after_ms);
}

static void free_timer(struct timer *t)
{
    stop(t);
    free(t);
}

static const struct world_ops VIRTUAL_WORLD = {
    .now_ms = now_ms,
    .wall_ms = wall_ms,
    .random = random_bytes,
    .timer_new = new_timer,
    .timer_start = start,
    .timer_stop = stop,
    .timer_free = free_timer,
};

/* -- the loop -- */

struct loop *loop_new(void)
{
    struct loop *l = mem_alloc(sizeof(*l));
    l->world.ops = &VIRTUAL_WORLD;
    l->process = owner;
    return l;
}

void loop_free(struct loop **at)
{
    struct loop *l = *at;
    *at = NULL;
    if (!l)
        return;
    sim_loop_rest(l);
    if (l->process->loop == l)
        l->process->loop = NULL;
    free(l);
}

void sim_loop_rest(struct loop *l)
{
    int turns = 0;
    while (l->deferred) {
        struct deferred d = *l->deferred;
        free(l->deferred);
        l->deferred = d.next;
        d.fn(d.user);
        if (++turns > TURNS_MAX)
            sim_violated("queues", "%s: a turn that never ends", l->process->name);
    }
}

struct world *loop_world(struct loop *l)
{
    return &l->world;
}

struct uv_loop_s *loop_uv(struct loop *l)
{
    (void)l;
    UNREACHABLE(); /* a file that needs it has no place above the seam */
}

void loop_defer(struct loop *l, loop_f *fn, void *user)
{
    struct deferred *d = mem_alloc(sizeof(*d));
    d->fn = fn;
    d->user = user;
    LL_APPEND(l->deferred, d);
}

/* No threads here: a history must be the same each time. */
void loop_work(struct loop *l, loop_f *work, loop_f *done, void *user)
{
    work(user);
    loop_defer(l, done, user);
}

int64_t loop_take_worst_lag_ms(struct loop *l)
{
    (void)l;
    return 0;
}
