#include "gateway/assembly.h"

#include "base/loop.h"
#include "clusters/kube_client.h"
#include "clusters/kube_store.h"
#include "gateway/auth.h"
#include "gateway/deadline_check.h"
#include "gateway/edge_sync.h"
#include "gateway/ending.h"
#include "gateway/environments.h"
#include "gateway/gateway.h"
#include "gateway/gateway_metrics.h"
#include "gateway/locate.h"
#include "gateway/placement.h"
#include "gateway/record_cache.h"
#include "gateway/remote_delete.h"
#include "gateway/remote_placement.h"
#include "gateway/remote_session.h"
#include "gateway/remote_sync.h"
#include "gateway/session_sync.h"
#include "gateway/session_table.h"
#include "gateway/small_file.h"
#include "gateway/start_check.h"
#include "gateway/stray_pods.h"
#include "gateway/sweeper.h"
#include "gateway/tender.h"
#include "http/http_call.h"
#include "http/upstream.h"
#include "router/edge_reservations.h"
#include "router/peers.h"
#include "router/redis_client.h"
#include "router/redis_sentinel.h"
#include "router/remote.h"
#include "router/result_store.h"
#include "router/route_record.h"
#include "watermark/reservations.h"
#include "watermark/watermark_feed.h"

#include <stdio.h>
#include <unistd.h>

#define PASSWORD_SIZE         1024
#define RESERVATION_MS        60000 /* longer than a create may take, with its retries */
#define EDGE_SETTLE_MS        2000  /* the same, with Redis: it costs nothing there */
#define RESERVATION_SETTLE_MS 1000  /* until other gateways' watches show a pod that ours shows */

/* -- the parts -- */

static void name_gateway(struct gateway *g)
{
    char host[64] = "";
    if (*g->conf.name) {
        snprintf(g->name, sizeof(g->name), "%s", g->conf.name);
        return;
    }
    if (gethostname(host, sizeof(host) - 1) != 0 || !session_id_is_name(slice_of(host)))
        snprintf(host, sizeof(host), "gateway");
    snprintf(g->name, sizeof(g->name), "%.40s-%d", host, (int)getpid());
}

static int read_secrets(struct gateway *g, struct err *err)
{
    int rc = site_key_read(&g->keys, g->conf.site_key_file, err);
    if (rc < 0)
        return rc;
    g->environments = environments_read(g->conf.environments_file, err);
    if (!g->environments)
        return -ERR_CONFIG;
    if (!environments_get(g->environments, g->conf.default_environment))
        return err_set(err, ERR_CONFIG, "default_environment: '%s' is not in %s",
                       g->conf.default_environment, g->conf.environments_file);
    if (site_token_read(&g->accepted, g->conf.remote_token_file, err) < 0 ||
        remote_sync_read_tokens(&g->conf, err) < 0)
        return -ERR_CONFIG;
    g->auth = g->conf.auth == GATEWAY_AUTH_KEYS ? auth_read(g->conf.auth_keys_file, err)
                                                : auth_new_open();
    return g->auth ? 0 : -ERR_CONFIG;
}

/* The first line of a file; path "": no password. */
static int read_password(const char *path, char out[PASSWORD_SIZE], struct err *err)
{
    struct buf text;
    struct slice rest, line = {0};
    int number = 0, rc = 0;
    *out = '\0';
    buf_init(&text, 4096);
    if (*path)
        rc = small_file_read(path, &text, err);
    rest = buf_slice(&text);
    if (rc == 0 && *path && (!small_file_line(&rest, &line, &number) || line.len >= PASSWORD_SIZE))
        rc = err_set(err, ERR_CONFIG, "%s: its first line is no password", path);
    else if (rc == 0)
        snprintf(out, PASSWORD_SIZE, "%.*s", SLICE_ARG(line));
    buf_fini(&text);
    return rc;
}

static int open_redis(struct gateway *g, struct err *err)
{
    const struct gateway_config *c = &g->conf;
    char password[PASSWORD_SIZE], of_sentinels[PASSWORD_SIZE];
    if (read_password(c->redis_password_file, password, err) < 0 ||
        read_password(c->redis_sentinel_password_file, of_sentinels, err) < 0)
        return -ERR_CONFIG;
    g->redis = redis_client_new(g->loop, c->redis_url, password, c->redis_timeout_ms, err);
    if (!g->redis)
        return err_wrap(err, "redis.url");
    return redis_sentinel_new(g->loop, g->redis, c->redis_url, of_sentinels, c->redis_timeout_ms,
                              &g->redis_sentinel, err);
}

/* The level counts slots of what a session asks for that asks for nothing. */
static void open_watermark(struct gateway *g)
{
    const struct gateway_watermark *w = &g->conf.watermark;
    const struct environment *e = environments_get(g->environments, g->conf.default_environment);
    struct watermark_feed_conf conf = {
        .site = g->conf.site,
        .level = {.cpu_high = w->cpu_high,
                  .cpu_low = w->cpu_low,
                  .memory_high = w->memory_high,
                  .memory_low = w->memory_low,
                  .reserve = w->reserve,
                  .dwell_ms = w->dwell_ms},
        .usage = w->usage,
        .usage_interval_ms = w->usage_interval_ms,
    };

    placement_shape(g, e->millicpu, e->memory_bytes, e->disk_bytes, &conf.shape);
    g->feed = watermark_feed_new(g->world, g->store, g->kube, g->reservations, &conf);
}

static int open_cluster(struct gateway *g, struct err *err)
{
    const struct kube_client_conf conf = {
        .url = *g->conf.kube_url ? g->conf.kube_url : NULL,
        .kubeconfig = *g->conf.kube_config ? g->conf.kube_config : NULL,
        .namespace_name = g->conf.kube_namespace,
        .call_ms = g->conf.kube_call_ms,
    };
    g->caller = http_caller_new(g->loop);
    g->kube = kube_client_new(g->loop, g->caller, &conf, err);
    if (!g->kube)
        return err_wrap(err, "kubernetes");
    g->store = kube_store_new(g->loop, g->kube);
    g->reservations = reservations_new(RESERVATION_MS, RESERVATION_SETTLE_MS);
    open_watermark(g);
    return 0;
}

int assembly_build(struct gateway *g, struct err *err)
{
    name_gateway(g);
    int rc = read_secrets(g, err);
    if (rc < 0)
        return rc;
    g->loop = loop_new();
    g->world = loop_world(g->loop);
    g->metrics = gateway_metrics_new();
    g->sessions =
        session_table_new(g->loop, (size_t)g->conf.limits.tombstones, g->conf.limits.tombstone_ms);
    g->records = record_cache_new((size_t)g->conf.limits.record_cache_bytes);
    g->locator = locator_new(g);
    g->agents = upstream_new(g->loop, &UPSTREAM_CONF_DEFAULT);
    rc = open_redis(g, err);
    if (rc == 0)
        rc = open_cluster(g, err);
    if (rc < 0)
        return rc;
    g->edge = edge_reservations_new(g->redis, g->conf.site, RESERVATION_MS, EDGE_SETTLE_MS);
    g->results = result_store_new(g->redis, g->conf.limits.tombstone_ms);
    g->peers = peers_new(g->loop, g->redis, g->conf.site, g->name);
    remote_sync_open(g);
    edge_sync_start(g);
    g->strays = stray_pods_new(g);
    session_sync_start(g);
    g->sweeper = sweeper_new(g);
    return 0;
}

static bool leave_session(struct session *s, void *user)
{
    (void)user;
    tender_free(&s->tender);
    ending_free(&s->ending);
    deadline_check_cancel(s);
    start_check_cancel(s);
    remote_placement_free(&s->handover);
    remote_session_free(&s->remote);
    return true;
}

void assembly_take_apart(struct gateway *g)
{
    sweeper_free(&g->sweeper);
    if (g->sessions)
        session_table_each(g->sessions, leave_session, NULL);
    stray_pods_free(&g->strays);
    remote_sync_close(g);
    peers_free(&g->peers);
    edge_reservations_free(&g->edge);
    redis_sentinel_free(&g->redis_sentinel);
    redis_client_free(&g->redis); /* who waits for an answer is told, and looks at what follows */
    watermark_feed_free(&g->feed);
    kube_store_free(&g->store);
    kube_client_free(&g->kube);
    http_caller_free(&g->caller);
    result_store_free(&g->results);
    route_records_free(&g->routes);
    upstream_free(&g->agents);
    reservations_free(&g->reservations);
    locator_free(&g->locator);
    session_table_free(&g->sessions);
    record_cache_free(&g->records);
    gateway_metrics_free(&g->metrics);
    auth_free(&g->auth);
    environments_free(&g->environments);
    loop_free(&g->loop);
}
