/* sim_site.h - one site: a cluster, a Redis, gateways, and its front door. */
#pragma once
#include "gateway/gateway_config.h"
#include "sim_cluster.h"
#include "sim_gateway.h"
#include "sim_redis.h"

#define SIM_GATEWAYS_MAX 5
#define SIM_SITES_MAX    2

struct sim_site {
    char name[16];
    int place;
    struct sim_cluster *cluster;
    struct sim_redis *redis;
    struct gateway_config conf;
    struct config *config; /* owns its texts */
    struct sim_gateway gateways[SIM_GATEWAYS_MAX];
    int gateway_count;
};

struct sim_site_conf {
    const char *name, *remote; /* remote NULL: it has none */
    int place, gateways, nodes, slots;
    int64_t dwell_ms, reserve;
};

/* Keys, tokens and environments lie in `folder`. */
struct sim_site *sim_site_new(const struct sim_site_conf *conf, const char *folder);
void sim_site_free(struct sim_site **s);
/* The gateway that the front door's consistent hash names, or the next one that lives; NULL: none.
 */
struct sim_gateway *sim_site_gateway_for(struct sim_site *s, const char *session_id);
/* Writes what sites read. */
void sim_site_write_files(const char *folder);
