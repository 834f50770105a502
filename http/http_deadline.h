/* http_deadline.h - a deadline that moves with every request, on a timer that does not: the
 * timer may fire early and is then set again, so that the common case costs no timer operation
 * (inside of http/). */
#pragma once
#include "base/world.h"

#define HTTP_DEADLINE_NONE INT64_MAX

struct http_deadline {
    struct world *world;
    struct timer *timer;
    int64_t armed_at; /* when it fires, 0: not armed */
};

/* `fn` must look at the time itself, and set the deadline again. */
void http_deadline_init(struct http_deadline *d, struct world *w, timer_f *fn, void *user);
void http_deadline_fini(struct http_deadline *d);
void http_deadline_set(struct http_deadline *d, int64_t at_ms);
static inline void http_deadline_fired(struct http_deadline *d)
{
    d->armed_at = 0;
}
