/* kube_clock.h - what time it is by the API server: the one clock that all gateways of a site, and
 * the deadlines on its pods, can have in common. Pure.
 *
 * A gateway's own clock counts as long as it agrees to within what a `Date` can tell; where it does
 * not, the server's does, carried on by the clock that only goes forward. Units: milliseconds;
 * wall: Unix time. */
#pragma once
#include <stdint.h>

struct kube_clock {
    int64_t date_ms; /* 0: not heard yet */
    int64_t at_ms;   /* when, monotonic */
};

/* date_ms 0: the answer had none. */
void kube_clock_hear(struct kube_clock *c, int64_t date_ms, int64_t now_ms);
int64_t kube_clock_wall_ms(const struct kube_clock *c, int64_t now_ms, int64_t wall_ms);
