/* site_usage.h - the nodes' measurements put together to one of the site; pure.
 *
 * site_usage_init(), site_usage_add() for each eligible node, site_usage_end(). Ratios are those of
 * the nodes that were measured; with too few of them nothing is known, and nothing known is never
 * "empty". */
#pragma once
#include "clusters/kube_object.h"
#include "clusters/kube_usage_table.h"

#define SITE_USAGE_COVERAGE_LEAST 800 /* permille of the eligible nodes */

struct site_usage {
    bool known;
    int64_t nodes, measured;                 /* eligible; of them with a fresh measurement */
    int64_t coverage_permille;               /* 0 without nodes */
    int64_t age_ms;                          /* of the oldest measurement that counts; -1: none */
    struct kube_resources used, allocatable; /* of those measured */
    int64_t cpu_permille, memory_permille;
};

void site_usage_init(struct site_usage *u);
/* `sample` NULL: the node has none that is fresh. */
void site_usage_add(struct site_usage *u, const struct kube_resources *allocatable,
                    const struct kube_usage_sample *sample, int64_t age_ms);
void site_usage_end(struct site_usage *u);
/* used of allocatable; 1000 where there is nothing to use. */
int64_t site_usage_permille(int64_t used, int64_t allocatable);
