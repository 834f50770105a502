#include "sim_network.h"

#include <string.h>

static struct {
    bool cut[SIM_PLACES][SIM_PLACES];
    int64_t slow_ms;
} network;

void sim_network_begin(void)
{
    memset(&network, 0, sizeof(network));
}

void sim_network_put(struct sim_process *p, int place)
{
    INVARIANT(place >= 0 && place < SIM_PLACES);
    p->place = place;
}

void sim_network_cut(int a, int b, bool cut)
{
    network.cut[a][b] = network.cut[b][a] = cut;
}

void sim_network_heal(void)
{
    memset(network.cut, 0, sizeof(network.cut));
    network.slow_ms = 0;
}

bool sim_network_reaches(const struct sim_process *a, const struct sim_process *b)
{
    return !network.cut[a->place][b->place];
}

int64_t sim_network_latency_ms(void)
{
    if (network.slow_ms > 0)
        return sim_between(1, network.slow_ms);
    return sim_chance(20) ? sim_between(5, 60) : sim_between(0, 3);
}

void sim_network_slow(int64_t most_ms)
{
    network.slow_ms = most_ms;
}
