/* cgroup.h - the cgroups below the node's root, in every hierarchy (version 1) or in the one
 * (version 2). Blocking, short. Paths are those within a hierarchy: "/spillway/<uid>". `mount` is
 * /sys/fs/cgroup but in tests. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Removes the cgroup and all below, in every hierarchy. What still has processes stays; false then.
 */
bool cgroup_remove(const char *mount, const char *path);
/* Calls fn with the name of each direct child that exists in any hierarchy (once for each hierarchy
 * that has it). */
void cgroup_children(const char *mount, const char *path, void (*fn)(const char *name, void *user),
                     void *user);
/* How often the kernel killed a process of it for memory; 0 when unknown. */
int64_t cgroup_oom_kills(const char *mount, const char *path);
/* Can a cgroup be told how much swap it may use? */
bool cgroup_limits_swap(const char *mount);
/* CPU used so far, and the memory that cannot be given back at once (the working set, as kubelet
 * counts it: without file pages that nobody touched lately). False when it is not there. */
bool cgroup_usage(const char *mount, const char *path, int64_t *cpu_ns, int64_t *memory_bytes);
/* SIGKILL to every process in it. Returns how many were there. */
unsigned cgroup_kill(const char *mount, const char *path);
/* Processes of it whose parent is `parent`, each once; returns how many, at most `max`. */
unsigned cgroup_find_children(const char *mount, const char *path, pid_t parent, pid_t *out,
                              unsigned max);
/* Is the process in this cgroup, in some hierarchy? */
bool cgroup_holds(pid_t pid, const char *path);
