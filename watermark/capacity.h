/* capacity.h - the room of a cluster, node by node, kept up to date with each event at the cost of
 * one node; pure.
 *
 * Bound pods take room on their node. An unbound pod takes it first-fit on a node where it fits
 * (as if it were bound there) until it is bound in truth; one that fits nowhere takes nothing, and
 * is tried again when room appears: the scheduler would not place it either.
 * Cost: an event one node (an unbound pod in addition one walk over all nodes at worst), a question
 * nothing for the CAPACITY_SHAPES shapes asked last, else one walk. Ownership: names and uids are
 * copied. */
#pragma once
#include "base/cc.h"
#include "clusters/kube_object.h"
#include <stddef.h>

#define CAPACITY_SHAPES 16

struct capacity;

/* Over eligible nodes. */
struct capacity_totals {
    struct kube_resources allocatable;
    struct kube_resources requested; /* by bound pods */
    int64_t nodes;
};

struct capacity *capacity_new(void) CHECK_RESULT;
void capacity_free(struct capacity **c);

/* Adds or replaces. Not eligible (cordoned, tainted, not ready): no room, but its pods are counted
 * for the time when it is. */
void capacity_put_node(struct capacity *c, const char *name,
                       const struct kube_resources *allocatable, bool eligible);
void capacity_remove_node(struct capacity *c, const char *name);
/* Short of memory by what is used there: no slots, whatever is requested. Unknown nodes are
 * ignored.
 */
void capacity_set_hot(struct capacity *c, const char *name, bool hot);
bool capacity_is_hot(const struct capacity *c, const char *name);

/* A living pod on a node, also on one that is not known yet; and the same pod leaving it. */
void capacity_add_bound(struct capacity *c, const char *node, const struct kube_resources *requests,
                        bool sandbox);
void capacity_remove_bound(struct capacity *c, const char *node,
                           const struct kube_resources *requests, bool sandbox);
/* A living pod without a node. A uid that is there already is replaced. */
void capacity_add_unbound(struct capacity *c, const char *uid,
                          const struct kube_resources *requests);
void capacity_remove_unbound(struct capacity *c, const char *uid);
size_t capacity_unbound_count(const struct capacity *c);
/* Where an unbound pod is counted; NULL: nowhere, or unknown. */
const char *capacity_assumed_node(const struct capacity *c, const char *uid);

/* How many more of this shape fit. */
int64_t capacity_slots(struct capacity *c, const struct kube_resources *shape);
/* … and how many if there were no sandboxes. Walks over all nodes. */
int64_t capacity_slots_total(const struct capacity *c, const struct kube_resources *shape);
const struct capacity_totals *capacity_totals(const struct capacity *c);
