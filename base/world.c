#include "base/world.h"

int64_t world_now_ms(struct world *w)
{
    return w->ops->now_ms(w);
}

int64_t world_wall_ms(struct world *w)
{
    return w->ops->wall_ms(w);
}

void world_random(struct world *w, void *out, size_t len)
{
    w->ops->random(w, out, len);
}

void world_random_hex(struct world *w, char *out, size_t bytes)
{
    static const char DIGITS[] = "0123456789abcdef";
    unsigned char some[16];
    for (size_t i = 0; i < bytes; i++) {
        size_t at = i % sizeof(some);
        if (at == 0)
            world_random(w, some, bytes - i < sizeof(some) ? bytes - i : sizeof(some));
        out[2 * i] = DIGITS[some[at] >> 4];
        out[2 * i + 1] = DIGITS[some[at] & 15];
    }
    out[2 * bytes] = '\0';
}

uint64_t world_random_below(struct world *w, uint64_t below)
{
    INVARIANT(below > 0);
    /* What lies above the last whole multiple is drawn again, or small numbers would come too
     * often. */
    uint64_t limit = UINT64_MAX - UINT64_MAX % below;
    uint64_t v;
    do
        world_random(w, &v, sizeof(v));
    while (v >= limit);
    return v % below;
}

struct timer *timer_new(struct world *w, timer_f *fn, void *user)
{
    return w->ops->timer_new(w, fn, user);
}

void timer_start(struct world *w, struct timer *t, int64_t after_ms, int64_t repeat_ms)
{
    INVARIANT(after_ms >= 0 && repeat_ms >= 0);
    w->ops->timer_start(t, after_ms, repeat_ms);
}

void timer_stop(struct world *w, struct timer *t)
{
    w->ops->timer_stop(t);
}

void timer_free(struct world *w, struct timer **t)
{
    if (!*t)
        return;
    w->ops->timer_free(*t);
    *t = NULL;
}
