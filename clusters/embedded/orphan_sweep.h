/* orphan_sweep.h - reaps what becomes the node's child, and ends, without anybody waiting for it.
 *
 * The node is a child subreaper. Runtimes leave processes behind beside the containers: crun 1.8
 * forks for --detach, and that one often outlives the process that was asked to wait for it.
 * Everybody who waits for a process here does so as soon as the loop turns, so a process that is
 * found dead in two sweeps is nobody's.
 * Loop:      on the loop; reads /proc/self/task, some 0.1 ms. */
#pragma once
#include "base/cc.h"
#include "base/loop.h"

#define ORPHAN_SWEEP_MS 5000

struct orphan_sweep;

struct orphan_sweep *orphan_sweep_new(struct loop *l) CHECK_RESULT;
void orphan_sweep_free(struct orphan_sweep **s);
