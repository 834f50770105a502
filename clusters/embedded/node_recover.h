/* node_recover.h - after a start: removes what an earlier run left and no living pod owns. And at
 * the end: everything.
 *
 * Containers known to crun, cgroups below the node's root, CNI leases, pods' directories. What
 * belongs to a pod on disk whose main process lives stays. Mounts and network namespaces of an
 * earlier run went with it and its processes. Callbacks: `done` exactly once, never before the call
 * returned. */
#pragma once
#include "base/cc.h"
#include "base/loop.h"

struct node_config;
struct object_store;

void node_recover_start(struct loop *l, const struct node_config *config,
                        const struct object_store *store, loop_f *done, void *user);
/* The cgroup root and the empty directories of the node, when no pod is left. */
void node_recover_leave_nothing(const struct node_config *config);
