/* sim_loop.h - base/loop.h in virtual time: what links with this links no libuv loop. */
#pragma once
#include "base/loop.h"

struct sim_process;

/* Loops that are made from now on are of this process. */
void sim_loop_of_process(struct sim_process *p);
struct sim_process *sim_loop_process(const struct loop *l);
/* Runs what was deferred, and what that defers. */
void sim_loop_rest(struct loop *l);
/* Timers that are armed; a bound for what a gateway may pile up. */
size_t sim_loop_armed(const struct loop *l);
