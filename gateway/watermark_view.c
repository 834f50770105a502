#include "gateway/watermark_view.h"

#include "base/json.h"
#include "base/world.h"
#include "gateway/environments.h"
#include "gateway/gateway.h"
#include "gateway/placement.h"
#include "watermark/reservations.h"
#include "watermark/watermark_feed.h"

#include <string.h>

void watermark_view_take(struct gateway *g, struct watermark_view *out)
{
    const struct environment *e = environments_get(g->environments, g->conf.default_environment);
    const struct capacity_totals *totals = watermark_feed_totals(g->feed);
    const struct level *level = watermark_feed_level(g->feed);
    int64_t now_ms = world_now_ms(g->world);
    struct kube_resources shape;

    *out = (struct watermark_view){.allocatable = totals->allocatable,
                                   .requested = totals->requested,
                                   .measures = watermark_feed_measures(g->feed),
                                   .usage_error = watermark_feed_usage_error(g->feed)};
    placement_shape(g, e->millicpu, e->memory_bytes, e->disk_bytes, &shape);
    watermark_feed_take(g->feed, &shape, &out->local);
    out->slots_total = watermark_feed_slots_total(g->feed, &shape);
    out->reserved = reservations_count(g->reservations, now_ms);
    watermark_feed_usage(g->feed, &out->usage);
    out->since_wall_ms = world_wall_ms(g->world) - (now_ms - level->since_ms);
    memcpy(out->transitions, level->transitions, sizeof(out->transitions));
}

const char *watermark_view_state(const struct watermark_view *w)
{
    return w->local.known ? level_state_word(w->local.state) : "unknown";
}

/* What says no now; else why the state is what it is. */
static const char *reason_of(const struct watermark_view *w)
{
    if (!w->local.known)
        return "local_unknown";
    return level_reason_word(w->local.gate != LEVEL_REASON_NONE ? w->local.gate
                                                                : w->local.state_reason);
}

static struct json_t *resource(int64_t requested, int64_t allocatable)
{
    return json_build("{s:I,s:I}", "requested", requested, "allocatable", allocatable);
}

/* `used`: null when nobody measured it. */
static struct json_t *measured(struct json_t *j, const struct watermark_view *w, int64_t used,
                               int64_t high, int64_t low)
{
    json_set(j, "used", w->usage.measured > 0 ? json_new_int(used) : json_new_null());
    json_set(j, "high", json_new_number((double)high / 100));
    json_set(j, "low", json_new_number((double)low / 100));
    return j;
}

static struct json_t *resources_json(const struct gateway *g, const struct watermark_view *w)
{
    const struct gateway_watermark *marks = &g->conf.watermark;
    struct json_t *j = json_new_object();

    json_set(j, "cpu",
             measured(resource(w->requested.millicpu, w->allocatable.millicpu), w,
                      w->usage.used.millicpu, marks->cpu_high, marks->cpu_low));
    json_set(j, "memory",
             measured(resource(w->requested.memory_bytes, w->allocatable.memory_bytes), w,
                      w->usage.used.memory_bytes, marks->memory_high, marks->memory_low));
    json_set(j, "pods", resource(w->requested.pods, w->allocatable.pods));
    return j;
}

static struct json_t *metrics_json(const struct watermark_view *w)
{
    struct json_t *j = json_new_object();

    json_set_bool(j, "known", w->usage.known);
    json_set(j, "age_seconds",
             w->usage.age_ms >= 0 ? json_new_number((double)w->usage.age_ms / 1000)
                                  : json_new_null());
    json_set(j, "coverage", json_new_number((double)w->usage.coverage_permille / 1000));
    if (!w->measures)
        json_set_text(j, "error", "watermark.usage is off");
    else if (*w->usage_error)
        json_set_text(j, "error", w->usage_error);
    return j;
}

struct json_t *watermark_view_json(struct gateway *g)
{
    struct watermark_view w;
    char since[32];
    struct json_t *j = json_new_object();

    watermark_view_take(g, &w);
    kube_time_print(w.since_wall_ms, since);
    json_set_text(j, "site", g->conf.site);
    json_set_text(j, "state", watermark_view_state(&w));
    json_set_text(j, "reason", reason_of(&w));
    json_set_int(j, "slots", w.local.slots);
    json_set_int(j, "slots_total", w.slots_total);
    json_set_int(j, "reserve", w.local.reserve);
    json_set_int(j, "reserved", w.reserved);
    json_set_text(j, "since", since);
    json_set(j, "resources", resources_json(g, &w));
    json_set(j, "metrics", metrics_json(&w));
    return j;
}
