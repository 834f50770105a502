#include "http/http_deadline.h"

void http_deadline_init(struct http_deadline *d, struct world *w, timer_f *fn, void *user)
{
    d->world = w;
    d->timer = timer_new(w, fn, user);
    d->armed_at = 0;
}

void http_deadline_fini(struct http_deadline *d)
{
    timer_free(d->world, &d->timer);
}

void http_deadline_set(struct http_deadline *d, int64_t at_ms)
{
    if (d->timer == NULL || at_ms == HTTP_DEADLINE_NONE ||
        (d->armed_at != 0 && d->armed_at <= at_ms))
        return;
    int64_t after = at_ms - world_now_ms(d->world);
    d->armed_at = at_ms;
    timer_start(d->world, d->timer, after > 0 ? after : 0, 0);
}
