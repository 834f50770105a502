/* loop_wait.h - runs a real loop in a test until something is true. */
#pragma once
#include "base/loop.h"

#include <stdbool.h>
#include <stdint.h>

typedef bool loop_wait_f(void *user);

struct loop_wait {
    struct loop *loop;
    loop_wait_f *fn;
    void *user;
    int64_t end_ms;
    bool met;
};

static inline void loop_wait_look(void *user)
{
    struct loop_wait *w = user;

    w->met = w->fn(w->user);
    if (w->met || world_now_ms(loop_world(w->loop)) > w->end_ms)
        loop_stop(w->loop);
}

/* False: not within `limit_ms`. */
static inline bool loop_wait_until(struct loop *l, loop_wait_f *fn, void *user, int64_t limit_ms)
{
    struct world *world = loop_world(l);
    struct loop_wait w = {l, fn, user, world_now_ms(world) + limit_ms, false};
    struct timer *t = timer_new(world, loop_wait_look, &w);

    timer_start(world, t, 0, 2);
    loop_run(l);
    timer_free(world, &t);
    return w.met;
}

static inline bool loop_wait_never(void *user)
{
    (void)user;
    return false;
}

static inline void loop_wait_for(struct loop *l, int64_t ms)
{
    loop_wait_until(l, loop_wait_never, NULL, ms);
}
