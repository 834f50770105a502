/* sim_network.h - who can reach whom, and how long that takes. */
#pragma once
#include "sim_world.h"

#define SIM_PLACES 16

void sim_network_begin(void);
/* Places that cannot reach each other hold back what they send, as TCP does. */
void sim_network_put(struct sim_process *p, int place);
void sim_network_cut(int a, int b, bool cut);
void sim_network_heal(void);
bool sim_network_reaches(const struct sim_process *a, const struct sim_process *b);
int64_t sim_network_latency_ms(void);
/* From now on a piece takes up to so long. */
void sim_network_slow(int64_t most_ms);
