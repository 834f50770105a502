#include "watermark/watermark_feed.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/world.h"
#include "clusters/kube_quota.h"
#include "clusters/kube_store.h"
#include "clusters/kube_usage.h"
#include "watermark/reservations.h"
#include "watermark/slots.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS       1000
#define QUOTA_MS      15000
#define PROBES_MAX    8     /* more are never let in at a time */
#define PROBE_LOST_MS 30000 /* a probe that was never bound */

struct probe {
    char session_id[64]; /* "": free */
    int64_t until_ms;
};

struct watermark_feed {
    struct world *world;
    struct kube_store *store;
    struct reservations *reservations;
    struct watermark_feed_conf conf;
    struct capacity *capacity;
    struct level level;
    struct kube_usage *usage;   /* NULL: not asked for */
    struct kube_quota *quota;   /* NULL: as if there were none */
    struct kube_resources here; /* asked for by all living pods of the namespace */
    struct site_usage site_usage;
    struct timer *tick;
    struct probe probes[PROBES_MAX];
};

/* -- the level -- */

static void log_transition(const struct watermark_feed *f)
{
    const struct level *l = &f->level;

    LOG(LOG_INFO, "watermark", KV("site", f->conf.site),
        KV("state", level_state_word(level_state(l))), KV("reason", level_reason_word(l->reason)),
        KV("cpu_permille", f->site_usage.cpu_permille),
        KV("memory_permille", f->site_usage.memory_permille), KV("usage", f->site_usage.known));
}

static void after(struct watermark_feed *f, bool moved)
{
    if (!moved)
        return;
    log_transition(f);
    memset(f->probes, 0, sizeof(f->probes)); /* they were of the state before */
}

static bool is_seen(const struct watermark_feed *f)
{
    return kube_store_synced(f->store) && kube_store_connected(f->store);
}

/* A quota may leave less than the nodes. */
static int64_t quota_slots(const struct watermark_feed *f, const struct kube_resources *shape)
{
    const struct kube_resources *hard = kube_quota_hard(f->quota);
    const struct kube_resources left = {
        hard->millicpu - f->here.millicpu, hard->memory_bytes - f->here.memory_bytes,
        hard->ephemeral_bytes - f->here.ephemeral_bytes, hard->pods - f->here.pods};

    return slots_on(&left, shape);
}

static int64_t room_for(struct watermark_feed *f, const struct kube_resources *shape)
{
    int64_t room = capacity_slots(f->capacity, shape);
    int64_t allowed = f->quota ? quota_slots(f, shape) : INT64_MAX;

    return room < allowed ? room : allowed;
}

static int64_t free_slots(struct watermark_feed *f, const struct kube_resources *shape)
{
    int64_t slots =
        room_for(f, shape) - reservations_count(f->reservations, world_now_ms(f->world));

    return slots > 0 ? slots : 0;
}

static void update_level(struct watermark_feed *f)
{
    const struct level_input in = {
        .now_ms = world_now_ms(f->world),
        .slots = free_slots(f, &f->conf.shape),
        .usage_wanted = f->usage != NULL,
        .usage_known = f->site_usage.known,
        .cpu_permille = f->site_usage.cpu_permille,
        .memory_permille = f->site_usage.memory_permille,
        .usage_stamp = f->usage ? kube_usage_stamp(f->usage) : 0,
    };

    /* A view that is not whole says nothing of the cluster's room. */
    if (is_seen(f))
        after(f, level_update(&f->level, &in));
}

void watermark_feed_refused(struct watermark_feed *f)
{
    after(f, level_refused(&f->level, world_now_ms(f->world)));
}

/* -- probes -- */

static struct probe *find_probe(struct watermark_feed *f, const char *session_id)
{
    for (size_t i = 0; i < PROBES_MAX; i++)
        if (strcmp(f->probes[i].session_id, session_id) == 0)
            return &f->probes[i];
    return NULL;
}

void watermark_feed_admitted(struct watermark_feed *f, const char *session_id)
{
    struct probe *p = find_probe(f, "");

    if (!p || !level_admit(&f->level))
        return;
    snprintf(p->session_id, sizeof(p->session_id), "%s", session_id);
    p->until_ms = world_now_ms(f->world) + PROBE_LOST_MS;
}

static void lose(struct watermark_feed *f, struct probe *p)
{
    p->session_id[0] = '\0';
    level_lost(&f->level);
}

void watermark_feed_dropped(struct watermark_feed *f, const char *session_id)
{
    struct probe *p = find_probe(f, session_id);

    if (p)
        lose(f, p);
}

static void lose_old_probes(struct watermark_feed *f)
{
    int64_t now_ms = world_now_ms(f->world);

    for (size_t i = 0; i < PROBES_MAX; i++)
        if (f->probes[i].session_id[0] != '\0' && f->probes[i].until_ms <= now_ms)
            lose(f, &f->probes[i]);
}

static void on_bound(struct watermark_feed *f, const char *session_id)
{
    struct probe *p = find_probe(f, session_id);

    if (p)
        p->session_id[0] = '\0';
    after(f, level_bound(&f->level, p != NULL, world_now_ms(f->world)));
}

/* -- the room, from the store -- */

static bool is_session(const struct kube_pod *p)
{
    return p->marks.session_id[0] != '\0';
}

static bool is_bound(const struct kube_pod *p)
{
    return p->node_name[0] != '\0';
}

static void add_here(struct watermark_feed *f, const struct kube_resources *r, int64_t sign)
{
    f->here.millicpu += sign * r->millicpu;
    f->here.memory_bytes += sign * r->memory_bytes;
    f->here.ephemeral_bytes += sign * r->ephemeral_bytes;
    f->here.pods += sign * r->pods;
}

static void count_out(struct watermark_feed *f, const struct kube_pod *p)
{
    if (!kube_pod_alive(p))
        return;
    add_here(f, &p->requests, -1);
    if (is_bound(p))
        capacity_remove_bound(f->capacity, p->node_name, &p->requests, is_session(p));
    else
        capacity_remove_unbound(f->capacity, p->uid);
}

static void count_in(struct watermark_feed *f, const struct kube_pod *p)
{
    if (!kube_pod_alive(p))
        return;
    add_here(f, &p->requests, 1);
    if (is_bound(p))
        capacity_add_bound(f->capacity, p->node_name, &p->requests, is_session(p));
    else
        capacity_add_unbound(f->capacity, p->uid, &p->requests);
}

static bool is_same_resources(const struct kube_resources *a, const struct kube_resources *b)
{
    return a->millicpu == b->millicpu && a->memory_bytes == b->memory_bytes &&
           a->ephemeral_bytes == b->ephemeral_bytes && a->pods == b->pods;
}

/* Most changes of a pod (ready, an address, a heartbeat) take and give no room. */
static bool takes_the_same(const struct kube_pod *a, const struct kube_pod *b)
{
    return kube_pod_alive(a) == kube_pod_alive(b) && strcmp(a->node_name, b->node_name) == 0 &&
           is_session(a) == is_session(b) && is_same_resources(&a->requests, &b->requests);
}

/* A pod for which there is no room by our own count is no news. Where we see room and the scheduler
 * none, it knows better. */
static bool is_news(const struct watermark_feed *f, const struct kube_pod *before,
                    const struct kube_pod *now)
{
    return now->unschedulable && !(before && before->unschedulable) &&
           capacity_assumed_node(f->capacity, now->uid);
}

static void listen_to(struct watermark_feed *f, const struct kube_pod *before,
                      const struct kube_pod *now)
{
    if (!is_session(now) || now->terminating)
        return;
    if (is_bound(now) && !(before && is_bound(before)))
        on_bound(f, now->marks.session_id);
    else if (is_news(f, before, now))
        watermark_feed_refused(f);
}

static void on_pod(const struct kube_pod *before, const struct kube_pod *now, void *user)
{
    struct watermark_feed *f = user;

    if (!before || !now || !takes_the_same(before, now)) {
        if (before)
            count_out(f, before);
        if (now)
            count_in(f, now);
    }
    /* What the first list tells happened long ago. */
    if (now && kube_store_synced(f->store))
        listen_to(f, before, now);
}

static bool is_eligible(const struct kube_node *n)
{
    return n->ready && !n->unschedulable && !n->tainted;
}

static void on_node(const struct kube_node *before, const struct kube_node *now, void *user)
{
    struct watermark_feed *f = user;

    if (before && !now)
        capacity_remove_node(f->capacity, before->name);
    else if (!before || is_eligible(before) != is_eligible(now) ||
             !is_same_resources(&before->allocatable, &now->allocatable))
        capacity_put_node(f->capacity, now->name, &now->allocatable, is_eligible(now));
}

static bool add_pod(const struct kube_pod *p, void *user)
{
    count_in(user, p);
    return true;
}

static bool add_node(const struct kube_node *n, void *user)
{
    on_node(NULL, n, user);
    return true;
}

/* -- measurements -- */

/* A node that is short of memory gets nothing until it is below the low mark. */
static void judge_memory(struct watermark_feed *f, const struct kube_node *n,
                         const struct kube_usage_sample *s)
{
    bool hot = capacity_is_hot(f->capacity, n->name);
    int64_t mark = hot ? f->conf.level.memory_low * 10 + 1 : f->conf.level.memory_high * 10;

    capacity_set_hot(f->capacity, n->name,
                     s &&
                         site_usage_permille(s->memory_bytes, n->allocatable.memory_bytes) >= mark);
}

static bool measure_node(const struct kube_node *n, void *user)
{
    struct watermark_feed *f = user;
    int64_t age_ms = 0;
    const struct kube_usage_sample *s = kube_usage_get(f->usage, n->name, &age_ms);

    judge_memory(f, n, s);
    if (is_eligible(n))
        site_usage_add(&f->site_usage, &n->allocatable, s, age_ms);
    return true;
}

static void measure(struct watermark_feed *f)
{
    if (!f->usage)
        return;
    site_usage_init(&f->site_usage);
    kube_store_each_node(f->store, measure_node, f);
    site_usage_end(&f->site_usage);
}

static void on_measured(void *user)
{
    measure(user);
    update_level(user);
}

static void on_tick(void *user)
{
    lose_old_probes(user);
    measure(user);
    update_level(user);
}

/* -- life -- */

struct watermark_feed *watermark_feed_new(struct world *w, struct kube_store *s,
                                          struct kube_client *k, struct reservations *r,
                                          const struct watermark_feed_conf *conf)
{
    struct watermark_feed *f = mem_alloc(sizeof(*f));

    f->world = w;
    f->store = s;
    f->reservations = r;
    f->conf = *conf;
    f->capacity = capacity_new();
    level_init(&f->level, &conf->level, world_now_ms(w));
    site_usage_init(&f->site_usage);
    kube_store_each_node(s, add_node, f);
    kube_store_each_pod(s, add_pod, f);
    kube_store_subscribe_nodes(s, on_node, f);
    kube_store_subscribe(s, on_pod, f);
    if (conf->usage)
        f->usage = kube_usage_new(
            k, &(struct kube_usage_conf){.interval_ms = conf->usage_interval_ms}, on_measured, f);
    if (k)
        f->quota = kube_quota_new(k, QUOTA_MS);
    f->tick = timer_new(w, on_tick, f);
    timer_start(w, f->tick, TICK_MS, TICK_MS);
    return f;
}

void watermark_feed_free(struct watermark_feed **at)
{
    struct watermark_feed *f = *at;

    *at = NULL;
    if (!f)
        return;
    timer_free(f->world, &f->tick);
    kube_usage_free(&f->usage);
    kube_quota_free(&f->quota);
    capacity_free(&f->capacity);
    free(f);
}

/* -- questions -- */

void watermark_feed_take(struct watermark_feed *f, const struct kube_resources *shape,
                         struct snapshot *out)
{
    update_level(f);
    *out = (struct snapshot){
        .known = is_seen(f),
        .taken_ms = world_now_ms(f->world),
        .slots = free_slots(f, shape),
        .room = room_for(f, shape),
        .reserve = level_reserve(&f->level),
        .state = level_state(&f->level),
        .state_reason = f->level.reason,
        .gate = f->level.gate,
        .probes_left = level_probes_left(&f->level),
        .hold_until_ms = f->level.hold_until_ms,
    };
}

int64_t watermark_feed_slots_total(const struct watermark_feed *f,
                                   const struct kube_resources *shape)
{
    return capacity_slots_total(f->capacity, shape);
}

const struct capacity_totals *watermark_feed_totals(const struct watermark_feed *f)
{
    return capacity_totals(f->capacity);
}

const struct level *watermark_feed_level(const struct watermark_feed *f)
{
    return &f->level;
}

bool watermark_feed_measures(const struct watermark_feed *f)
{
    return f->usage != NULL;
}

void watermark_feed_usage(const struct watermark_feed *f, struct site_usage *out)
{
    *out = f->site_usage;
}

const char *watermark_feed_usage_error(const struct watermark_feed *f)
{
    return f->usage ? kube_usage_error(f->usage) : "";
}
