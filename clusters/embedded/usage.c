#include "clusters/embedded/usage.h"
#include "base/json.h"
#include "base/mem.h"
#include "clusters/embedded/cgroup.h"
#include "clusters/embedded/node_config.h"
#include "clusters/embedded/object_store.h"
#include "clusters/embedded/pod_status.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define CGROUP_MOUNT "/sys/fs/cgroup"

struct pod_usage {
    UT_hash_handle hh;
    struct usage_ring ring;
    unsigned round; /* in which it was last seen */
    char uid[];     /* the key */
};

struct usage {
    struct world *world;
    const struct node_config *config;
    const struct object_store *store;
    struct timer *timer;
    struct pod_usage *pods;
    unsigned round;
    int64_t first_ms, last_ms, last_wall_ms; /* of the rounds; first_ms -1: none yet */
};

/* -- samples -- */

void usage_ring_add(struct usage_ring *r, const struct usage_sample *s)
{
    if (r->count > 0 && s->cpu_ns < r->samples[r->count - 1].cpu_ns)
        r->count = 0;
    if (r->count == USAGE_SAMPLES)
        memmove(&r->samples[0], &r->samples[1], (size_t)--r->count * sizeof(r->samples[0]));
    r->samples[r->count++] = *s;
}

bool usage_ring_read(const struct usage_ring *r, struct usage_amount *out)
{
    if (r->count < 2)
        return false;
    const struct usage_sample *first = &r->samples[0], *last = &r->samples[r->count - 1];
    int64_t window_ms = last->now_ms - first->now_ms;
    if (window_ms <= 0)
        return false;
    out->nanocores = (int64_t)((double)(last->cpu_ns - first->cpu_ns) * 1000 / (double)window_ms);
    out->memory_bytes = last->memory_bytes;
    out->wall_ms = last->wall_ms;
    out->window_ms = window_ms;
    return true;
}

/* -- sampling -- */

static bool runs(const struct json_t *pod)
{
    return strcmp(pod_status_phase(pod), "Running") == 0;
}

static struct pod_usage *entry_of(struct usage *u, const char *uid)
{
    struct pod_usage *p;
    size_t len = strlen(uid);

    HASH_FIND_STR(u->pods, uid, p);
    if (p)
        return p;
    p = mem_alloc(sizeof *p + len + 1);
    memcpy(p->uid, uid, len + 1);
    HASH_ADD_STR(u->pods, uid, p);
    return p;
}

static void sample_pod(struct usage *u, const char *uid)
{
    char path[PATH_MAX];
    struct usage_sample s = {.now_ms = world_now_ms(u->world), .wall_ms = world_wall_ms(u->world)};
    struct pod_usage *p = entry_of(u, uid);

    p->round = u->round;
    snprintf(path, sizeof path, "%s/%s", u->config->cgroup_root, uid);
    if (cgroup_usage(CGROUP_MOUNT, path, &s.cpu_ns, &s.memory_bytes))
        usage_ring_add(&p->ring, &s);
}

static void drop_gone(struct usage *u)
{
    struct pod_usage *p, *next;

    HASH_ITER (hh, u->pods, p, next) {
        if (p->round == u->round)
            continue;
        HASH_DEL(u->pods, p);
        free(p);
    }
}

static void on_timer(void *user)
{
    struct usage *u = user;
    struct json_t **pods = NULL;
    size_t count = object_store_list(u->store, OBJECT_POD, NULL, &pods);

    u->round++;
    for (size_t i = 0; i < count; i++)
        if (runs(pods[i]))
            sample_pod(u, json_get_text(json_get(pods[i], "metadata"), "uid", ""));
    free(pods);
    drop_gone(u);
    u->last_ms = world_now_ms(u->world);
    u->last_wall_ms = world_wall_ms(u->world);
    if (u->first_ms < 0)
        u->first_ms = u->last_ms;
}

struct usage *usage_new(struct loop *l, const struct node_config *config,
                        const struct object_store *store)
{
    struct usage *u = mem_alloc(sizeof *u);

    u->world = loop_world(l);
    u->config = config;
    u->store = store;
    u->first_ms = -1;
    u->timer = timer_new(u->world, on_timer, u);
    timer_start(u->world, u->timer, 0, USAGE_EVERY_MS);
    return u;
}

void usage_free(struct usage **usage)
{
    struct usage *u = *usage;

    if (!u)
        return;
    timer_free(u->world, &u->timer);
    u->round++;
    drop_gone(u);
    free(u);
    *usage = NULL;
}

/* -- questions -- */

bool usage_of_pod(const struct usage *u, const char *uid, struct usage_amount *out)
{
    struct pod_usage *p;

    HASH_FIND_STR(u->pods, uid, p);
    return p && usage_ring_read(&p->ring, out);
}

/* A pod that was seen once gives its memory, and its CPU from the next time on. */
bool usage_of_node(const struct usage *u, struct usage_amount *out)
{
    int64_t window_ms = u->last_ms - u->first_ms;
    struct pod_usage *p, *next;

    if (u->first_ms < 0 || window_ms <= 0)
        return false;
    *out = (struct usage_amount){.wall_ms = u->last_wall_ms};
    out->window_ms = window_ms < (USAGE_SAMPLES - 1) * USAGE_EVERY_MS
                         ? window_ms
                         : (USAGE_SAMPLES - 1) * USAGE_EVERY_MS;
    HASH_ITER (hh, u->pods, p, next) {
        struct usage_amount one;
        if (usage_ring_read(&p->ring, &one))
            out->nanocores += one.nanocores;
        if (p->ring.count > 0)
            out->memory_bytes += p->ring.samples[p->ring.count - 1].memory_bytes;
    }
    return true;
}
