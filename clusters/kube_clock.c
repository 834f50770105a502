#include "clusters/kube_clock.h"

#include <stdbool.h>
#include <stdlib.h>

#define SECOND_MIDDLE_MS 500  /* a Date is cut to whole seconds */
#define TOLERANCE_MS     2500 /* that, the answer's way, and ordinary differences of clocks */

void kube_clock_hear(struct kube_clock *c, int64_t date_ms, int64_t now_ms)
{
    if (date_ms > 0)
        *c = (struct kube_clock){date_ms, now_ms};
}

int64_t kube_clock_wall_ms(const struct kube_clock *c, int64_t now_ms, int64_t wall_ms)
{
    int64_t server_ms = c->date_ms + SECOND_MIDDLE_MS + (now_ms - c->at_ms);
    bool agree = c->date_ms == 0 || llabs(server_ms - wall_ms) <= TOLERANCE_MS;
    return agree ? wall_ms : server_ms;
}
