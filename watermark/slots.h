/* slots.h - how many sandboxes of a shape fit into what is free of one node. Pure. Cluster totals
 * lie (fragmentation), so nobody adds up nodes before dividing. */
#pragma once
#include "clusters/kube_object.h"

/* At least 0; a shape that asks for nothing takes one pod. At most INT32_MAX, so that sums over
 * nodes do not overflow. */
int64_t slots_on(const struct kube_resources *free_units, const struct kube_resources *shape);
/* Is there room for one? */
bool slots_fit(const struct kube_resources *free_units, const struct kube_resources *shape);
