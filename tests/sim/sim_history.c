#include "sim_history.h"

#include "base/mem.h"
#include "sim_address.h"
#include "sim_agent.h"
#include "sim_faults.h"
#include "sim_network.h"
#include "sim_parse.h"
#include "sim_property.h"
#include "sim_redis_link.h"

#include <stdlib.h>

#define STEPS_MAX   2000000 /* a history that never ends is a fault of its own */
#define LAST_END_MS 170000  /* the longest life of a session, a minute, and what comes behind */

uint64_t sim_history_seed;

static void make_sites(struct sim_history *h, const char *folder)
{
    bool two = sim_chance(600);
    const struct sim_site_conf local = {
        .name = "home",
        .remote = two ? "cloud" : NULL,
        .place = 1,
        .gateways = (int)sim_between(1, SIM_GATEWAYS_MAX),
        .nodes = (int)sim_between(1, 2),
        .slots = (int)sim_between(2, 4),
        .dwell_ms = sim_between(0, 5000),
        .reserve = sim_chance(100) ? 1 : 0,
    };
    /* Each may send to the other: so a request could go round. */
    const struct sim_site_conf cloud = {
        .name = "cloud",
        .remote = sim_chance(300) ? "home" : NULL,
        .place = 2,
        .gateways = (int)sim_between(1, 2),
        .nodes = (int)sim_between(1, 3),
        .slots = (int)sim_between(2, 10),
        .dwell_ms = 1000,
    };
    h->sites[h->site_count++] = sim_site_new(&local, folder);
    if (two)
        h->sites[h->site_count++] = sim_site_new(&cloud, folder);
}

struct arrival {
    struct sim_history *h;
    int number;
};

static void on_arrival(void *user)
{
    struct arrival *a = user;
    a->h->clients[a->h->client_count++] = sim_client_new(a->h->sites[0], a->number);
}

static void make_clients(struct sim_history *h, struct sim_process *outside)
{
    int count = (int)sim_between(2, sim_chance(300) ? SIM_CLIENTS_MAX : 12);
    int64_t over_ms = sim_between(100, 60000);
    for (int i = 0; i < count; i++) {
        struct arrival *a = mem_alloc(sizeof(*a));
        sim_world_keep(a);
        *a = (struct arrival){h, i};
        sim_world_at(outside, 3000 + sim_between(0, over_ms), on_arrival, NULL, a);
    }
    h->trouble_ends_ms = 3000 + over_ms + sim_between(5000, 60000);
}

static void run_until(struct sim_history *h, int64_t until_ms)
{
    (void)h;
    while (sim_world_step(until_ms)) {
        sim_property_after_step();
        if (sim_world_steps() > STEPS_MAX)
            sim_violated("queues", "a history without an end");
    }
}

static bool are_done(const struct sim_history *h)
{
    for (int i = 0; i < h->client_count; i++) {
        if (!sim_client_is_done(h->clients[i]))
            return false;
    }
    return true;
}

static void take_apart(struct sim_history *h)
{
    for (int i = 0; i < h->client_count; i++)
        sim_client_free(&h->clients[i]);
    for (int i = 0; i < h->site_count; i++)
        sim_site_free(&h->sites[i]);
    sim_property_end();
    sim_call_end_all();
    sim_redis_link_end();
    sim_parse_forget();
    sim_world_end();
}

void sim_history_run(uint64_t seed, const char *folder)
{
    struct sim_history h = {.seed = seed};
    struct sim_process outside = {.name = "outside", .alive = true};
    sim_history_seed = seed;
    sim_world_begin(seed);
    sim_network_begin();
    sim_address_begin();
    sim_redis_link_begin();
    sim_property_begin(&h);
    make_sites(&h, folder);
    make_clients(&h, &outside);
    sim_faults_begin(&h, &outside);
    run_until(&h, h.trouble_ends_ms);
    sim_faults_end(&h);
    for (int64_t most = sim_now() + 1500000; !are_done(&h) && sim_now() < most;)
        run_until(&h, sim_now() + 5000);
    run_until(&h, sim_faults_last_ms(&h) + LAST_END_MS);
    sim_property_after_quiet(&h);
    take_apart(&h);
}
