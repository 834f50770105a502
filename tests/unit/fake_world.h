/* fake_world.h - a world for tests of what is pure: time moves by fake_world_run() only, "random"
 * is a counter. */
#pragma once
#include "base/mem.h"
#include "base/world.h"

#include <stdlib.h>

struct timer {
    struct timer *next;
    struct fake_world *world;
    timer_f *fn;
    void *user;
    int64_t at_ms; /* -1: not armed */
    int64_t repeat_ms;
};

struct fake_world {
    struct world world;
    int64_t now_ms;
    uint64_t seed;
    struct timer *timers;
};

static inline struct fake_world *fake_world_of(struct world *w)
{
    return container_of(w, struct fake_world, world);
}

static inline int64_t fake_world_now(struct world *w)
{
    return fake_world_of(w)->now_ms;
}

static inline int64_t fake_world_wall(struct world *w)
{
    return fake_world_of(w)->now_ms + 1700000000000;
}

static inline void fake_world_random(struct world *w, void *out, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        fake_world_of(w)->seed =
            fake_world_of(w)->seed * 6364136223846793005u + 1442695040888963407u;
        ((unsigned char *)out)[i] = (unsigned char)(fake_world_of(w)->seed >> 56);
    }
}

static inline struct timer *fake_world_timer_new(struct world *w, timer_f *fn, void *user)
{
    struct timer *t = mem_alloc(sizeof(*t));
    *t = (struct timer){fake_world_of(w)->timers, fake_world_of(w), fn, user, -1, 0};
    fake_world_of(w)->timers = t;
    return t;
}

static inline void fake_world_timer_start(struct timer *t, int64_t after_ms, int64_t repeat_ms)
{
    t->at_ms = t->world->now_ms + after_ms;
    t->repeat_ms = repeat_ms;
}

static inline void fake_world_timer_stop(struct timer *t)
{
    t->at_ms = -1;
}

static inline void fake_world_timer_free(struct timer *t)
{
    struct timer **at = &t->world->timers;
    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    free(t);
}

static const struct world_ops FAKE_WORLD_OPS = {
    fake_world_now,         fake_world_wall,       fake_world_random,    fake_world_timer_new,
    fake_world_timer_start, fake_world_timer_stop, fake_world_timer_free};

static inline void fake_world_init(struct fake_world *f, uint64_t seed)
{
    *f = (struct fake_world){.world = {&FAKE_WORLD_OPS}, .now_ms = 1000, .seed = seed};
}

/* The next timer's time, -1: none. */
static inline int64_t fake_world_next(const struct fake_world *f)
{
    int64_t next = -1;
    for (const struct timer *t = f->timers; t; t = t->next)
        if (t->at_ms >= 0 && (next < 0 || t->at_ms < next))
            next = t->at_ms;
    return next;
}

/* Runs all that is due up to `ms` from now, in order of time. */
static inline void fake_world_run(struct fake_world *f, int64_t ms)
{
    int64_t end = f->now_ms + ms;
    for (int64_t next = fake_world_next(f); next >= 0 && next <= end; next = fake_world_next(f)) {
        struct timer *t = f->timers;
        while (t->at_ms != next)
            t = t->next;
        f->now_ms = next > f->now_ms ? next : f->now_ms;
        t->at_ms = t->repeat_ms > 0 ? next + t->repeat_ms : -1;
        t->fn(t->user);
    }
    f->now_ms = end;
}
