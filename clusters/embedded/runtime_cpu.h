/* runtime_cpu.h - the processor of a pod whose runtime brings a kernel of its own (runsc), in two:
 * what the pod asked for is its programs', the overhead is left to that kernel and to the agent.
 * Else programs that keep every processor busy leave the agent beside them, whose every system call
 * wants that kernel, no turn in which to answer.
 *
 * Blocking, short. Only with cgroups of version 1: version 2 wants all processes in leaves. `mount`
 * and `path` as in cgroup.h. */
#pragma once
#include "base/err.h"
#include <sys/types.h>

struct oci_spec_cpu;

/* Before the start. The runtime leaves a cgroup alone that is there already. Until it has started
 * it has more than the pod's share: what runs is its own, and it takes a few ms of each period. */
int runtime_cpu_make(const char *mount, const char *path, const struct oci_spec_cpu *cpu,
                     struct err *err) CHECK_RESULT;
/* Behind the start, of which `main_pid` is the kernel. Nothing happens where nothing was made. */
int runtime_cpu_divide(const char *mount, const char *path, const struct oci_spec_cpu *cpu,
                       pid_t main_pid, struct err *err) CHECK_RESULT;
