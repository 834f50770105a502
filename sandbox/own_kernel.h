/* own_kernel.h - what is different where the pod has a kernel of its own (gVisor). */
#pragma once
#include <stdbool.h>
#include <stdint.h>

bool own_kernel_is_there(void);
/* There the pod's cgroup counts that kernel's threads and not the pod's processes, and RLIMIT_NPROC
 * counts the pod's and no neighbour's: so it is the limit. Elsewhere it would count a uid across
 * pods: nothing happens then. */
void own_kernel_limit_processes(int64_t pids);
