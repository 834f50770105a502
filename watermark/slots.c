#include "watermark/slots.h"
#include "base/mem.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static int64_t fits(int64_t free_units, int64_t each, int64_t most)
{
    if (each <= 0)
        return most;
    int64_t n = free_units > 0 ? free_units / each : 0;
    return n < most ? n : most;
}

static int64_t node_slots(const struct kube_resources *free_units,
                          const struct kube_resources *shape)
{
    int64_t n = fits(free_units->pods, shape->pods > 0 ? shape->pods : 1, INT64_MAX);

    n = fits(free_units->millicpu, shape->millicpu, n);
    n = fits(free_units->memory_bytes, shape->memory_bytes, n);
    return fits(free_units->ephemeral_bytes, shape->ephemeral_bytes, n);
}

static void subtract(struct kube_resources *from, const struct kube_resources *r)
{
    from->millicpu -= r->millicpu;
    from->memory_bytes -= r->memory_bytes;
    from->ephemeral_bytes -= r->ephemeral_bytes;
    from->pods -= r->pods > 0 ? r->pods : 1;
}

/* What fits nowhere takes nothing: the scheduler will not place it either while the nodes are as
 * they are. */
static void place_first_fit(struct kube_resources *free_units, size_t count,
                            const struct kube_resources *pod)
{
    for (size_t i = 0; i < count; i++) {
        if (node_slots(&free_units[i], pod) > 0) {
            subtract(&free_units[i], pod);
            return;
        }
    }
}

static int64_t sum_of_slots(const struct kube_resources *free_units, size_t count,
                            const struct kube_resources *shape)
{
    int64_t sum = 0;

    for (size_t i = 0; i < count; i++)
        if (__builtin_add_overflow(sum, node_slots(&free_units[i], shape), &sum))
            return INT64_MAX;
    return sum;
}

int64_t slots_free(const struct snapshot *s, const struct kube_resources *shape, int64_t reserved)
{
    struct kube_resources *left = mem_array(s->node_count + 1, sizeof(*left));

    for (size_t i = 0; i < s->node_count; i++)
        left[i] = s->nodes[i].free;
    for (size_t i = 0; i < s->unbound_count; i++)
        place_first_fit(left, s->node_count, &s->unbound[i]);
    int64_t slots = sum_of_slots(left, s->node_count, shape);
    free(left);
    /* A reserved sandbox of the same shape takes exactly one slot on whichever node it lands. */
    return slots > reserved ? slots - (reserved > 0 ? reserved : 0) : 0;
}

int64_t slots_total(const struct snapshot *s, const struct kube_resources *shape)
{
    struct kube_resources *empty = mem_array(s->node_count + 1, sizeof(*empty));

    for (size_t i = 0; i < s->node_count; i++) {
        const struct snapshot_node *n = &s->nodes[i];
        empty[i].millicpu = n->free.millicpu + n->sandboxes.millicpu;
        empty[i].memory_bytes = n->free.memory_bytes + n->sandboxes.memory_bytes;
        empty[i].ephemeral_bytes = n->free.ephemeral_bytes + n->sandboxes.ephemeral_bytes;
        empty[i].pods = n->free.pods + n->sandboxes.pods;
    }
    int64_t slots = sum_of_slots(empty, s->node_count, shape);
    free(empty);
    return slots;
}
