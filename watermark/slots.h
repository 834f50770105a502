/* slots.h - how many more sandboxes of a shape fit, node by node; with what is placed but not yet
 * seen deducted first-fit. Pure. Cluster totals lie (fragmentation), so nothing here adds up nodes
 * before dividing. */
#pragma once
#include "watermark/snapshot.h"

/* Free slots for `shape`, at least 0. `reserved` = placements of ours that the snapshot does not
 * show yet. */
int64_t slots_free(const struct snapshot *s, const struct kube_resources *shape, int64_t reserved);
/* Slots if all were empty of sandboxes … only allocatable minus other pods' requests. */
int64_t slots_total(const struct snapshot *s, const struct kube_resources *shape);
