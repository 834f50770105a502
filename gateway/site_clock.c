#include "gateway/site_clock.h"

#include "base/world.h"
#include "clusters/kube_client.h"
#include "clusters/kube_clock.h"
#include "gateway/gateway.h"

int64_t site_clock_ms(const struct gateway *g)
{
    return kube_clock_wall_ms(kube_client_clock(g->kube), world_now_ms(g->world),
                              world_wall_ms(g->world));
}
