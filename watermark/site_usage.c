#include "watermark/site_usage.h"

void site_usage_init(struct site_usage *u)
{
    *u = (struct site_usage){.age_ms = -1};
}

void site_usage_add(struct site_usage *u, const struct kube_resources *allocatable,
                    const struct kube_usage_sample *sample, int64_t age_ms)
{
    u->nodes++;
    if (!sample)
        return;
    u->measured++;
    if (age_ms > u->age_ms)
        u->age_ms = age_ms;
    u->used.millicpu += sample->millicpu;
    u->used.memory_bytes += sample->memory_bytes;
    u->allocatable.millicpu += allocatable->millicpu;
    u->allocatable.memory_bytes += allocatable->memory_bytes;
}

int64_t site_usage_permille(int64_t used, int64_t allocatable)
{
    double ratio = allocatable > 0 ? (double)used / (double)allocatable : 1;

    return (int64_t)((ratio < 1000 ? ratio : 1000) * 1000);
}

void site_usage_end(struct site_usage *u)
{
    u->coverage_permille = u->nodes > 0 ? u->measured * 1000 / u->nodes : 0;
    u->known = u->nodes > 0 && u->coverage_permille >= SITE_USAGE_COVERAGE_LEAST;
    u->cpu_permille = site_usage_permille(u->used.millicpu, u->allocatable.millicpu);
    u->memory_permille = site_usage_permille(u->used.memory_bytes, u->allocatable.memory_bytes);
}
