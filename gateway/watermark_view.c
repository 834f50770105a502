#include "gateway/watermark_view.h"

#include "base/json.h"
#include "base/world.h"
#include "gateway/environments.h"
#include "gateway/gateway.h"
#include "gateway/placement.h"
#include "watermark/reservations.h"
#include "watermark/slots.h"
#include "watermark/watermark_feed.h"

static void add_up(const struct snapshot *s, struct watermark_view *out)
{
    for (size_t i = 0; i < s->node_count; i++) {
        const struct snapshot_node *n = &s->nodes[i];
        out->allocatable.millicpu += n->allocatable.millicpu;
        out->allocatable.memory_bytes += n->allocatable.memory_bytes;
        out->allocatable.pods += n->allocatable.pods;
        out->requested.millicpu += n->allocatable.millicpu - n->free.millicpu;
        out->requested.memory_bytes += n->allocatable.memory_bytes - n->free.memory_bytes;
        out->requested.pods += n->allocatable.pods - n->free.pods;
    }
}

void watermark_view_take(struct gateway *g, struct watermark_view *out)
{
    const struct snapshot *s = watermark_feed_take(g->feed);
    const struct environment *e = environments_get(g->environments, g->conf.default_environment);
    int64_t now_ms = world_now_ms(g->world);
    *out = (struct watermark_view){.known = s->known, .hold = now_ms < s->hold_until_ms};
    placement_shape(e->millicpu, e->memory_bytes, e->disk_bytes, &out->shape);
    out->reserved = reservations_count(g->reservations, now_ms);
    out->slots_free = slots_free(s, &out->shape, out->reserved);
    out->slots_total = slots_total(s, &out->shape);
    add_up(s, out);
}

const char *watermark_view_state(const struct watermark_view *w)
{
    if (!w->known)
        return "unknown";
    return w->hold || w->slots_free == 0 ? "closed" : "open";
}

static const char *reason_of(const struct watermark_view *w)
{
    if (!w->known)
        return "local_unknown";
    if (w->hold)
        return "local_hold";
    return w->slots_free == 0 ? "local_full" : "local_room";
}

static struct json_t *resource(int64_t requested, int64_t allocatable)
{
    return json_build("{s:I,s:I}", "requested", requested, "allocatable", allocatable);
}

struct json_t *watermark_view_json(struct gateway *g)
{
    struct watermark_view w;
    watermark_view_take(g, &w);
    struct json_t *j = json_new_object();
    json_set_text(j, "site", g->conf.site);
    json_set_text(j, "state", watermark_view_state(&w));
    json_set_text(j, "reason", reason_of(&w));
    json_set_int(j, "slots", w.slots_free);
    json_set_int(j, "slots_total", w.slots_total);
    json_set_int(j, "reserved", w.reserved);
    struct json_t *resources = json_new_object();
    json_set(resources, "cpu", resource(w.requested.millicpu, w.allocatable.millicpu));
    json_set(resources, "memory", resource(w.requested.memory_bytes, w.allocatable.memory_bytes));
    json_set(resources, "pods", resource(w.requested.pods, w.allocatable.pods));
    json_set(j, "resources", resources);
    return j;
}
