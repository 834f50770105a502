/* gateway.h - everything a gateway is made of, composed in main and handed to those who act. No
 * functions. */
#pragma once
#include "gateway/gateway_config.h"
#include "gateway/site_key.h"
#include "gateway/site_token.h"

struct loop;
struct world;
struct http_caller;
struct kube_client;
struct kube_store;
struct watermark_feed;
struct reservations;
struct edge_reservations;
struct redis_client;
struct redis_sentinel;
struct result_store;
struct peers;
struct upstream;
struct auth;
struct environments;
struct session_table;
struct record_cache;
struct gateway_metrics;
struct sweeper;
struct locator;
struct remotes;
struct route_records;
struct remote_deletes;
struct record_closer;
struct remote_sync;
struct stray_pods;

struct gateway {
    struct gateway_config conf;
    char name[128];
    struct site_key keys;
    struct site_token accepted; /* of other sites */
    struct loop *loop;
    struct world *world;
    struct http_caller *caller;
    struct kube_client *kube;
    struct kube_store *store;
    struct watermark_feed *feed;
    struct reservations *reservations;
    struct edge_reservations *edge;
    struct redis_client *redis;
    struct redis_sentinel *redis_sentinel; /* NULL: not by Sentinel */
    struct result_store *results;
    struct peers *peers;
    struct upstream *agents;
    struct auth *auth;
    struct environments *environments;
    struct session_table *sessions;
    struct record_cache *records;
    struct gateway_metrics *metrics;
    struct locator *locator;
    struct http_caller *remote_caller;
    struct remotes *remotes; /* NULL until they are made; empty where there are none */
    struct route_records *routes;
    struct remote_deletes *deletes;
    struct record_closer *closer;
    struct remote_sync *remote_sync;
    struct stray_pods *strays;
    struct sweeper *sweeper;
    bool draining;
};
