/* watermark_view.h - how full the local site is, for people and graphs. */
#pragma once
#include "clusters/kube_object.h"

struct gateway;

struct watermark_view {
    bool known;
    bool hold; /* the cluster refused a sandbox a moment ago */
    int64_t slots_free;
    int64_t slots_total;
    int64_t reserved;
    struct kube_resources shape; /* of a default session */
    struct kube_resources allocatable, requested;
};

void watermark_view_take(struct gateway *g, struct watermark_view *out);
/* "open", "closed" or "unknown". */
const char *watermark_view_state(const struct watermark_view *w);
struct json_t *watermark_view_json(struct gateway *g) CHECK_RESULT;
