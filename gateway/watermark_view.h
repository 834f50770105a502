/* watermark_view.h - how full the local site is, for people and graphs. */
#pragma once
#include "clusters/kube_object.h"
#include "watermark/site_usage.h"
#include "watermark/snapshot.h"

struct gateway;

struct watermark_view {
    struct snapshot local; /* for the usual shape */
    int64_t slots_total;
    int64_t reserved;                             /* placements of this gateway on their way */
    struct kube_resources allocatable, requested; /* of eligible nodes */
    bool measures;                                /* measurements are asked for */
    struct site_usage usage;
    const char *usage_error; /* "" when there is none; borrowed */
    int64_t since_wall_ms;   /* of the state */
    uint64_t transitions[LEVEL_REASON_COUNT];
};

void watermark_view_take(struct gateway *g, struct watermark_view *out);
/* "open", "closed", "probing" or "unknown". */
const char *watermark_view_state(const struct watermark_view *w);
struct json_t *watermark_view_json(struct gateway *g) CHECK_RESULT;
