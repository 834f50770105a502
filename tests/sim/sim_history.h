/* sim_history.h - one seed: what sites there are, what clients do, what goes wrong; then quiet. */
#pragma once
#include "sim_client.h"
#include "sim_site.h"

#define SIM_CLIENTS_MAX 40

struct sim_history {
    uint64_t seed;
    struct sim_site *sites[SIM_SITES_MAX];
    int site_count;
    struct sim_client *clients[SIM_CLIENTS_MAX];
    int client_count;
    int64_t trouble_ends_ms, end_ms;
    bool others;            /* pods of others come and go */
    bool skewed;            /* clocks are wrong */
    bool redis_troubled;    /* not reachable at some time */
    int64_t redis_lost_ms;  /* when it came back last without all that it had had; 0: never */
    int64_t redis_away_ms;  /* until when it was not reachable last, or may be so; 0: never */
    bool killed;            /* a gateway, with what it knew */
    bool late_views;        /* a gateway may see pods later than others do */
    int64_t still_until_ms; /* that a gateway or an API server stood still for seconds; 0: never */
    bool unforeseen;        /* a pod was made that took a slot which nobody had kept for it */
};

/* Ends the program when a property breaks. */
void sim_history_run(uint64_t seed, const char *folder);
extern uint64_t sim_history_seed; /* the one that runs */
