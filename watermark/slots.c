#include "watermark/slots.h"

static int64_t fits(int64_t free_units, int64_t each, int64_t most)
{
    if (each <= 0)
        return most;
    int64_t n = free_units > 0 ? free_units / each : 0;
    return n < most ? n : most;
}

int64_t slots_on(const struct kube_resources *free_units, const struct kube_resources *shape)
{
    int64_t n = fits(free_units->pods, shape->pods > 0 ? shape->pods : 1, INT32_MAX);

    n = fits(free_units->millicpu, shape->millicpu, n);
    n = fits(free_units->memory_bytes, shape->memory_bytes, n);
    return fits(free_units->ephemeral_bytes, shape->ephemeral_bytes, n);
}

static bool enough(int64_t free_units, int64_t wanted)
{
    return wanted <= 0 || free_units >= wanted;
}

bool slots_fit(const struct kube_resources *free_units, const struct kube_resources *shape)
{
    return enough(free_units->pods, shape->pods > 0 ? shape->pods : 1) &&
           enough(free_units->millicpu, shape->millicpu) &&
           enough(free_units->memory_bytes, shape->memory_bytes) &&
           enough(free_units->ephemeral_bytes, shape->ephemeral_bytes);
}
