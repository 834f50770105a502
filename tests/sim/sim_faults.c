#include "sim_faults.h"

#include "base/mem.h"
#include "sim_agent.h"
#include "sim_network.h"

#include <stdio.h>
#include <string.h>
#include <utlist.h>

#define REDIS_AGAIN_MS 5000
#define LONG_STALL_MS  1000

enum kind {
    KILL_GATEWAY,
    STALL_GATEWAY,
    STALL_CLUSTER,
    RESTART_CLUSTER,
    STALL_REDIS,
    KILL_REDIS,
    LOSE_REDIS,
    CUT_SITES,
    SLOW,
    STALL_AGENT,
    OTHERS,
    KIND_COUNT
};

static struct {
    struct sim_history *h;
    struct sim_process *outside;
    bool enabled[KIND_COUNT];
    struct sim_event *next;
    int64_t least_ms, most_ms;
} faults;

static struct sim_site *a_site(void)
{
    return faults.h->sites[sim_between(0, faults.h->site_count - 1)];
}

static void stall(struct sim_process *p, int64_t for_ms)
{
    sim_trace("%s: stalls for %lld ms", p->name, (long long)for_ms);
    p->stalled_until = sim_now() + for_ms;
}

/* Behind it a gateway decides for a moment by what it saw before. */
static void stall_view(struct sim_process *p, int64_t for_ms)
{
    stall(p, for_ms);
    if (for_ms > LONG_STALL_MS && p->stalled_until > faults.h->still_until_ms)
        faults.h->still_until_ms = p->stalled_until;
}

/* -- gateways -- */

static void on_back(void *user)
{
    struct sim_gateway *n = user;
    if (!sim_gateway_lives(n))
        sim_gateway_start(n, n->site, n->number);
}

static void kill_gateway(void)
{
    struct sim_site *s = a_site();
    struct sim_gateway *n = &s->gateways[sim_between(0, s->gateway_count - 1)];
    if (!sim_gateway_lives(n))
        return;
    faults.h->killed = true;
    sim_gateway_kill(n);
    sim_world_at(faults.outside, sim_now() + sim_between(200, 15000), on_back, NULL, n);
}

static void stall_gateway(void)
{
    struct sim_site *s = a_site();
    struct sim_gateway *n = &s->gateways[sim_between(0, s->gateway_count - 1)];
    if (sim_gateway_lives(n))
        stall_view(n->process, sim_between(50, sim_chance(300) ? 15000 : 1500));
}

/* -- Redis -- */

/* For so long, and until its gateways are connected again. */
static void trouble_redis(int64_t for_ms)
{
    int64_t until_ms = sim_now() + for_ms + REDIS_AGAIN_MS;
    faults.h->redis_troubled = true;
    if (until_ms > faults.h->redis_away_ms)
        faults.h->redis_away_ms = until_ms;
}

static void stall_redis(void)
{
    int64_t for_ms = sim_between(20, sim_chance(300) ? 10000 : 600);
    trouble_redis(for_ms);
    stall(sim_redis_process(a_site()->redis), for_ms);
}

struct return_of {
    struct sim_redis *redis;
    enum sim_redis_memory with;
};

static void on_redis_back(void *user)
{
    struct return_of *r = user;
    sim_redis_come_back(r->redis, r->with);
    if (r->with != SIM_REDIS_KEEPS)
        faults.h->redis_lost_ms = sim_now();
    sim_trace("redis is back (%d)", (int)r->with);
}

static void kill_redis(bool loses)
{
    struct sim_redis *redis = a_site()->redis;
    if (!sim_redis_process(redis)->alive)
        return;
    int64_t for_ms = sim_between(100, 20000);
    trouble_redis(for_ms);
    struct return_of *r = mem_alloc(sizeof(*r));
    sim_world_keep(r);
    *r = (struct return_of){redis, SIM_REDIS_KEEPS};
    if (loses)
        r->with = sim_chance(500) ? SIM_REDIS_OLD : SIM_REDIS_EMPTY;
    if (loses && sim_chance(300))
        sim_redis_save(redis);
    sim_trace("redis dies");
    sim_redis_die(redis);
    sim_world_at(faults.outside, sim_now() + for_ms, on_redis_back, NULL, r);
}

/* -- the cluster -- */

static void stall_agent(void)
{
    const struct sim_cluster *c = a_site()->cluster;
    if (c->agent_count == 0)
        return;
    struct sim_agent *a = c->agents[sim_between(0, (int64_t)c->agent_count - 1)];
    if (a->process.alive)
        stall(&a->process, sim_between(100, sim_chance(200) ? 20000 : 3000));
}

static void change_others(void)
{
    struct sim_cluster *c = a_site()->cluster;
    bool room = sim_cluster_living(c, false) < c->nodes * c->slots;
    if (room && sim_chance(500))
        sim_cluster_add_other(c);
    else
        sim_cluster_remove_other(c);
}

static void on_healed(void *user)
{
    (void)user;
    sim_network_heal();
    sim_trace("the network is whole");
}

static void cut_sites(void)
{
    bool clients_too = sim_chance(200);
    sim_network_cut(1, 2, true);
    if (clients_too)
        sim_network_cut(9, 1, true);
    sim_trace("the sites are cut off from each other");
    sim_world_at(faults.outside, sim_now() + sim_between(200, 30000), on_healed, NULL, NULL);
}

static void slow_down(void)
{
    int64_t for_ms = sim_between(200, 10000);
    trouble_redis(for_ms); /* a command may take longer than its time-out */
    sim_network_slow(sim_between(5, 150));
    sim_world_at(faults.outside, sim_now() + for_ms, on_healed, NULL, NULL);
}

/* -- by chance -- */

static void strike(enum kind kind)
{
    switch (kind) {
    case KILL_GATEWAY:
        kill_gateway();
        break;
    case STALL_GATEWAY:
        stall_gateway();
        break;
    case STALL_CLUSTER:
        stall_view(&a_site()->cluster->process,
                   sim_chance(40) ? 120000 : sim_between(50, sim_chance(200) ? 30000 : 4000));
        break;
    case RESTART_CLUSTER:
        sim_cluster_restart(a_site()->cluster);
        break;
    case STALL_REDIS:
        stall_redis();
        break;
    case KILL_REDIS:
        kill_redis(false);
        break;
    case LOSE_REDIS:
        kill_redis(true);
        break;
    case CUT_SITES:
        cut_sites();
        break;
    case SLOW:
        slow_down();
        break;
    case STALL_AGENT:
        stall_agent();
        break;
    case OTHERS:
        change_others();
        break;
    case KIND_COUNT:
        UNREACHABLE();
    }
}

static void on_next(void *user)
{
    int64_t first = sim_between(0, KIND_COUNT - 1);
    (void)user;
    for (int i = 0; i < KIND_COUNT; i++) {
        enum kind kind = (enum kind)((first + i) % KIND_COUNT);
        if (faults.enabled[kind]) {
            strike(kind);
            break;
        }
    }
    faults.next =
        sim_world_at(faults.outside, sim_now() + sim_between(faults.least_ms, faults.most_ms),
                     on_next, NULL, NULL);
}

static void set_moods(struct sim_cluster *c)
{
    struct sim_cluster_mood *m = &c->mood;
    int *const levels[] = {&m->refuse,    &m->lose_answer, &m->fail_after, &m->late_create,
                           &m->garble,    &m->end_watch,   &m->expire,     &m->image_error,
                           &m->pod_fails, &m->slow_start};
    for (size_t i = 0; i < ARRAY_LEN(levels); i++)
        *levels[i] = sim_chance(250) ? (int)sim_between(5, 150) : 0;
    faults.h->late_views |= m->refuse + m->garble + m->end_watch + m->expire > 0;
}

void sim_faults_begin(struct sim_history *h, struct sim_process *outside)
{
    memset(&faults, 0, sizeof(faults));
    faults.h = h;
    faults.outside = outside;
    if (sim_chance(150))
        return; /* a history in which nothing goes wrong */
    for (int i = 0; i < KIND_COUNT; i++)
        faults.enabled[i] = sim_chance(200);
    h->others = faults.enabled[OTHERS];
    h->late_views = faults.enabled[STALL_GATEWAY] || faults.enabled[STALL_CLUSTER] ||
                    faults.enabled[RESTART_CLUSTER] || faults.enabled[SLOW];
    h->skewed = sim_chance(100);
    for (int i = 0; i < h->site_count; i++) {
        set_moods(h->sites[i]->cluster);
        for (int k = 0; h->skewed && k < h->sites[i]->gateway_count; k++)
            h->sites[i]->gateways[k].process->wall_skew_ms = sim_between(-1500, 1500);
    }
    faults.least_ms = sim_between(50, 2000);
    faults.most_ms = faults.least_ms + sim_between(500, 15000);
    faults.next = sim_world_at(outside, sim_now() + faults.most_ms, on_next, NULL, NULL);
}

/* All is well from now on; what has begun comes to its end by itself. */
void sim_faults_end(struct sim_history *h)
{
    sim_trace("nothing goes wrong from here on");
    sim_world_cancel(&faults.next);
    sim_network_heal();
    for (int i = 0; i < h->site_count; i++) {
        struct sim_site *s = h->sites[i];
        memset(&s->cluster->mood, 0, sizeof(s->cluster->mood));
        if (!sim_redis_process(s->redis)->alive)
            sim_redis_come_back(s->redis, SIM_REDIS_KEEPS);
    }
}

int64_t sim_faults_last_ms(const struct sim_history *h)
{
    int64_t last_ms = sim_now();
    for (int i = 0; i < h->site_count; i++) {
        int64_t until_ms = h->sites[i]->cluster->process.stalled_until;
        last_ms = until_ms > last_ms ? until_ms : last_ms;
    }
    return last_ms;
}
