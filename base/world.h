/* world.h - time, randomness and timers, from outside: what decides never asks the operating
 * system. The real one is base/loop.h; the simulator brings its own.
 *
 * Loop:      all calls on the loop's thread. Timer callbacks never run before the call that armed
 * them returned. Units:     milliseconds everywhere. `now` is monotonic and fixed for one turn of
 * the loop; `wall` is Unix time. */
#pragma once
#include "base/cc.h"
#include <stddef.h>
#include <stdint.h>

struct world;
struct timer;
typedef void timer_f(void *user);

struct world_ops {
    int64_t (*now_ms)(struct world *w);
    int64_t (*wall_ms)(struct world *w);
    void (*random)(struct world *w, void *out, size_t len);
    struct timer *(*timer_new)(struct world *w, timer_f *fn, void *user);
    void (*timer_start)(struct timer *t, int64_t after_ms,
                        int64_t repeat_ms); /* re-arms; 0 = once */
    void (*timer_stop)(struct timer *t);
    void (*timer_free)(struct timer *t);
};

struct world {
    const struct world_ops *ops;
};

int64_t world_now_ms(struct world *w);
int64_t world_wall_ms(struct world *w);
void world_random(struct world *w, void *out, size_t len);
/* `out` takes 2*bytes hex digits and the NUL. */
void world_random_hex(struct world *w, char *out, size_t bytes);
/* A whole number in [0, below). */
uint64_t world_random_below(struct world *w, uint64_t below);

/* A timer: heap object, gives ownership; armed by timer_start(), its callback may free it. */
struct timer *timer_new(struct world *w, timer_f *fn, void *user) CHECK_RESULT;
void timer_start(struct world *w, struct timer *t, int64_t after_ms, int64_t repeat_ms);
void timer_stop(struct world *w, struct timer *t);
void timer_free(struct world *w, struct timer **t); /* NULL accepted; becomes NULL */
