/* sim_faults.h - what goes wrong in a history, by chance: each kind in some histories, none in
 * others, until the end, when all is healed. */
#pragma once
#include "sim_history.h"

void sim_faults_begin(struct sim_history *h, struct sim_process *outside);
void sim_faults_end(struct sim_history *h);
/* Now, or when the last one that stalls will go on. */
int64_t sim_faults_last_ms(const struct sim_history *h);
