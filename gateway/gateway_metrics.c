#include "gateway/gateway_metrics.h"

#include "base/loop.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "clusters/kube_client.h"
#include "clusters/kube_store.h"
#include "gateway/ending.h"
#include "gateway/gateway.h"
#include "gateway/record_cache.h"
#include "gateway/session_table.h"
#include "gateway/watermark_view.h"
#include "router/peers.h"
#include "router/redis_client.h"
#include "router/remote.h"
#include "router/route_record.h"

#include <stdlib.h>
#include <string.h>

static const char *const PHASES[GATEWAY_PHASE_COUNT] = {"place", "schedule", "pod", "agent"};

struct gateway_metrics {
    struct metrics *registry;
    struct metric_family *phases, *agent_calls, *kube_calls, *redis_commands, *redis_connections,
        *requested_ratio, *marks, *level_since, *orphans, *route_records;
    struct metric_family *requests, *request_seconds, *placements, *start_seconds, *deleted,
        *results, *executions, *takeovers, *lookups, *damaged, *sessions, *tombstones, *redis_up,
        *watch_up, *slots_free, *slots_total, *peers, *pods, *nodes, *loop_lag, *cache_bytes,
        *level, *transitions, *usage_ratio, *reservations, *usage_age, *usage_coverage,
        *usage_known, *remote_calls, *remote_seconds, *remote_breaker, *remote_openings,
        *remote_slots, *remote_sessions, *remote_silence;
};

static struct metric_family *counter(struct gateway_metrics *m, const char *name, const char *help,
                                     const char *labels)
{
    return metrics_family(m->registry, METRIC_COUNTER, name, help, labels, NULL, 0);
}

static struct metric_family *gauge(struct gateway_metrics *m, const char *name, const char *help,
                                   const char *labels)
{
    return metrics_family(m->registry, METRIC_GAUGE, name, help, labels, NULL, 0);
}

static struct metric_family *latency(struct gateway_metrics *m, const char *name, const char *help,
                                     const char *labels)
{
    return metrics_family(m->registry, METRIC_HISTOGRAM, name, help, labels,
                          METRICS_LATENCY_BUCKETS, METRICS_LATENCY_BUCKET_COUNT);
}

static void declare_events(struct gateway_metrics *m)
{
    m->requests = counter(m, "spillway_http_requests_total",
                          "Requests answered, by operation and status code.", "operation,code");
    m->request_seconds =
        latency(m, "spillway_http_request_seconds",
                "Time from a request's head to the end of its answer.", "operation");
    m->placements =
        counter(m, "spillway_placements_total",
                "Decisions where a new session goes, with their reason.", "site,reason");
    m->start_seconds = latency(m, "spillway_session_start_seconds",
                               "Time from a create request to the agent's first answer.", "");
    m->deleted = counter(m, "spillway_pods_deleted_total",
                         "Sandbox pods that this gateway deleted.", "cause");
    m->results = counter(m, "spillway_results_total",
                         "Results copied to the result store, by outcome.", "outcome");
    m->executions =
        counter(m, "spillway_executions_total", "Executions that agents accepted.", "language");
    m->takeovers = counter(m, "spillway_takeovers_total",
                           "Sessions taken over because nobody tended them.", "");
    m->damaged = counter(m, "spillway_store_damaged_total",
                         "Entries of the result store that were not as they are written.", "what");
    m->lookups =
        counter(m, "spillway_session_lookups_total",
                "Sessions that this gateway did not know and looked for, by outcome.", "outcome");
}

static void declare_state(struct gateway_metrics *m)
{
    m->sessions = gauge(m, "spillway_sessions", "Living sessions known here, by state.", "state");
    m->tombstones = gauge(m, "spillway_tombstones", "Ended sessions remembered in memory.", "");
    m->redis_up = gauge(m, "spillway_redis_up", "1 while the result store can be reached.", "");
    m->watch_up =
        gauge(m, "spillway_watch_connected", "1 while the watches of the API server are good.", "");
    m->slots_free =
        gauge(m, "spillway_slots_free", "Room for further sandboxes of default size.", "");
    m->slots_total = gauge(m, "spillway_slots", "Room for sandboxes of default size in all.", "");
    m->peers = gauge(m, "spillway_gateways",
                     "Living gateways of the site by Redis' last word, this one included.", "");
    m->pods = gauge(m, "spillway_pods", "Pods in the sandbox namespace.", "");
    m->nodes = gauge(m, "spillway_nodes", "Nodes of the cluster.", "");
    m->loop_lag = gauge(m, "spillway_loop_lag_seconds",
                        "Longest turn of the event loop since the last scrape.", "");
    m->cache_bytes =
        gauge(m, "spillway_record_cache_bytes", "Results of finished executions in memory.", "");
    metric_set(metric_with(gauge(m, "spillway_build_info", "1, with the version.", "version"),
                           SPILLWAY_VERSION),
               1);
}

/* The children exist from the start: a rate sees a first event only where there was a 0 before. */
static void declare_health(struct gateway_metrics *m)
{
    m->phases = latency(m, "spillway_session_phase_seconds",
                        "Where the time of a session's start went, by phase.", "phase");
    for (int i = 0; i < GATEWAY_PHASE_COUNT; i++)
        metric_with(m->phases, PHASES[i]);
    m->agent_calls = counter(m, "spillway_agent_calls_total",
                             "Calls of the gateway's own to agents, by outcome.", "outcome");
    metric_with(m->agent_calls, "answered");
    metric_with(m->agent_calls, "unanswered");
    m->kube_calls = counter(m, "spillway_kube_calls_total",
                            "Calls to the API server but for watches, by outcome.", "outcome");
    m->redis_commands = counter(m, "spillway_redis_commands_total",
                                "Commands to the result store, by outcome.", "outcome");
    m->redis_connections = counter(m, "spillway_redis_connections_total",
                                   "Connections to the result store that came up.", "");
    m->route_records =
        counter(m, "spillway_route_record_operations_total",
                "Reads and writes of the records of remote sessions.", "operation,outcome");
    m->orphans =
        gauge(m, "spillway_orphans", "Pods of the namespace that no session here claims.", "");
#define X(name, word, forced, agent, error, message) metric_with(m->deleted, word);
    ENDING_CAUSES(X)
#undef X
    metric_with(m->results, "stored");
    metric_with(m->results, "failed");
    metric_with(m->takeovers);
    metric_with(m->lookups, "refused");
    metric_with(m->damaged, "tombstone");
    metric_with(m->damaged, "record");
    metric_with(m->damaged, "route");
}

static void declare_watermark(struct gateway_metrics *m)
{
    m->level = gauge(m, "spillway_watermark_state",
                     "1 for the state that the local site is in, 0 for the others.", "state");
    m->level_since = gauge(m, "spillway_watermark_state_start_timestamp_seconds",
                           "Since when the local site is in its state.", "");
    m->requested_ratio =
        gauge(m, "spillway_requested_ratio",
              "Requests of all pods on the local nodes by what these can give.", "resource");
    m->marks = gauge(m, "spillway_watermark_mark_ratio",
                     "Where the measured use closes the site, and lets it open.", "resource,mark");
    m->transitions = counter(m, "spillway_watermark_transitions_total",
                             "Changes of the watermark's state, by reason.", "reason");
    m->usage_ratio = gauge(m, "spillway_usage_ratio",
                           "Measured use of the local nodes by what they can give.", "resource");
    m->reservations =
        gauge(m, "spillway_reservations", "Placements of this gateway that are on their way.", "");
    m->usage_age = gauge(m, "spillway_usage_age_seconds",
                         "Age of the oldest measurement that counts; -1: none.", "");
    m->usage_coverage = gauge(m, "spillway_usage_coverage_ratio",
                              "Nodes with a fresh measurement by all that take sandboxes.", "");
    m->usage_known =
        gauge(m, "spillway_usage_known", "1 while measurements of enough nodes are fresh.", "");
}

static void declare_remotes(struct gateway_metrics *m)
{
    m->remote_calls = counter(m, "spillway_remote_calls_total", "Calls to other sites, by outcome.",
                              "site,operation,outcome");
    m->remote_seconds = latency(m, "spillway_remote_call_seconds",
                                "How long calls to other sites took.", "site,operation");
    m->remote_breaker = gauge(m, "spillway_remote_breaker",
                              "0 closed, 1 open, 2 half open: see remote calls.", "site");
    m->remote_openings = gauge(m, "spillway_remote_breaker_openings",
                               "How often the breaker opened since the start.", "site");
    m->remote_slots = gauge(m, "spillway_remote_slots",
                            "Room at another site as it says itself; -1: unknown.", "site");
    m->remote_sessions =
        gauge(m, "spillway_remote_sessions", "Our living sessions there, as it says.", "site");
    m->remote_silence = gauge(m, "spillway_remote_silence_seconds",
                              "Since another site was last heard; -1: never.", "site");
}

struct gateway_metrics *gateway_metrics_new(void)
{
    struct gateway_metrics *m = mem_alloc(sizeof(*m));
    m->registry = metrics_new();
    declare_events(m);
    declare_state(m);
    declare_health(m);
    declare_watermark(m);
    declare_remotes(m);
    return m;
}

void gateway_metrics_free(struct gateway_metrics **m)
{
    if (!*m)
        return;
    metrics_free(&(*m)->registry);
    free(*m);
    *m = NULL;
}

static double seconds(int64_t ms)
{
    return (double)ms / 1000.0;
}

void gateway_metrics_request(struct gateway_metrics *m, const char *operation, int status,
                             int64_t took_ms)
{
    const char code[4] = {(char)('0' + status / 100 % 10), (char)('0' + status / 10 % 10),
                          (char)('0' + status % 10), '\0'};
    metric_add(metric_with(m->requests, operation, code), 1);
    metric_observe(metric_with(m->request_seconds, operation), seconds(took_ms));
}

void gateway_metrics_refused(struct gateway_metrics *m)
{
    metric_add(metric_with(m->requests, "none", "4xx"), 1);
}

void gateway_metrics_placement(struct gateway_metrics *m, const char *site, const char *reason)
{
    metric_add(metric_with(m->placements, site, reason), 1);
}

void gateway_metrics_remote_call(struct gateway_metrics *m, const char *site, const char *operation,
                                 const char *outcome, int64_t took_ms)
{
    metric_add(metric_with(m->remote_calls, site, operation, outcome), 1);
    metric_observe(metric_with(m->remote_seconds, site, operation), seconds(took_ms));
}

void gateway_metrics_session_started(struct gateway_metrics *m, int64_t took_ms)
{
    metric_observe(metric_with(m->start_seconds), seconds(took_ms));
}

void gateway_metrics_session_phase(struct gateway_metrics *m, enum gateway_phase phase,
                                   int64_t took_ms)
{
    metric_observe(metric_with(m->phases, PHASES[phase]), seconds(took_ms));
}

void gateway_metrics_agent_call(struct gateway_metrics *m, int status)
{
    metric_add(metric_with(m->agent_calls, status > 0 ? "answered" : "unanswered"), 1);
}

void gateway_metrics_pod_deleted(struct gateway_metrics *m, const char *cause)
{
    metric_add(metric_with(m->deleted, cause), 1);
}

void gateway_metrics_result(struct gateway_metrics *m, bool stored)
{
    metric_add(metric_with(m->results, stored ? "stored" : "failed"), 1);
}

void gateway_metrics_execution(struct gateway_metrics *m, const char *language)
{
    metric_add(metric_with(m->executions, language), 1);
}

void gateway_metrics_takeover(struct gateway_metrics *m)
{
    metric_add(metric_with(m->takeovers), 1);
}

void gateway_metrics_lookup(struct gateway_metrics *m, const char *outcome)
{
    metric_add(metric_with(m->lookups, outcome), 1);
}

void gateway_metrics_store_damaged(struct gateway_metrics *m, const char *what)
{
    metric_add(metric_with(m->damaged, what), 1);
}

static void set(struct metric_family *f, double value)
{
    metric_set(metric_with(f), value);
}

/* A counter that somebody else counts. */
static void follow(struct metric *counter, uint64_t value)
{
    metric_add(counter, (double)value - metric_value(counter));
}

static double ratio(int64_t part, int64_t whole)
{
    return whole > 0 ? (double)part / (double)whole : 0;
}

static void set_marks(struct gateway_metrics *m, const struct gateway *g,
                      const struct watermark_view *w)
{
    const struct gateway_watermark *marks = &g->conf.watermark;
    metric_set(metric_with(m->marks, "cpu", "high"), (double)marks->cpu_high / 100);
    metric_set(metric_with(m->marks, "cpu", "low"), (double)marks->cpu_low / 100);
    metric_set(metric_with(m->marks, "memory", "high"), (double)marks->memory_high / 100);
    metric_set(metric_with(m->marks, "memory", "low"), (double)marks->memory_low / 100);
    metric_set(metric_with(m->requested_ratio, "cpu"),
               ratio(w->requested.millicpu, w->allocatable.millicpu));
    metric_set(metric_with(m->requested_ratio, "memory"),
               ratio(w->requested.memory_bytes, w->allocatable.memory_bytes));
    metric_set(metric_with(m->requested_ratio, "pods"),
               ratio(w->requested.pods, w->allocatable.pods));
    set(m->level_since, seconds(w->since_wall_ms));
}

struct orphan_count {
    struct session_table *sessions;
    int64_t pods;
};

static bool count_orphan(const struct kube_pod *pod, void *user)
{
    struct orphan_count *n = user;
    n->pods += !session_table_get(n->sessions, pod->marks.session_id);
    return true;
}

static void set_orphans(struct gateway_metrics *m, const struct gateway *g)
{
    struct orphan_count n = {g->sessions, 0};
    kube_store_each_pod(g->store, count_orphan, &n);
    set(m->orphans, (double)n.pods);
}

static void set_routes(struct gateway_metrics *m, const struct gateway *g)
{
    const struct route_counts *n = route_records_counts(g->routes);
    for (int i = 0; i < ROUTE_OP_COUNT; i++) {
        const char *word = route_operation_word((enum route_operation)i);
        follow(metric_with(m->route_records, word, "done"), n->done[i]);
        follow(metric_with(m->route_records, word, "failed"), n->failed[i]);
    }
}

static void set_clients(struct gateway_metrics *m, const struct gateway *g)
{
    const struct redis_counts *r = redis_client_counts(g->redis);
    const struct kube_counts *k = kube_client_counts(g->kube);
    follow(metric_with(m->redis_commands, "answered"), r->answered);
    follow(metric_with(m->redis_commands, "error"), r->errors);
    follow(metric_with(m->redis_commands, "lost"), r->lost);
    follow(metric_with(m->redis_commands, "refused"), r->refused);
    follow(metric_with(m->redis_connections), r->connections);
    follow(metric_with(m->kube_calls, "done"), k->done);
    follow(metric_with(m->kube_calls, "rejected"), k->rejected);
    follow(metric_with(m->kube_calls, "failed"), k->failed);
    follow(metric_with(m->kube_calls, "unanswered"), k->unanswered);
}

static void set_watermark(struct gateway_metrics *m, const struct watermark_view *w)
{
    static const char *const STATES[] = {"open", "closed", "probing", "unknown"};
    for (size_t i = 0; i < ARRAY_LEN(STATES); i++)
        metric_set(metric_with(m->level, STATES[i]),
                   strcmp(STATES[i], watermark_view_state(w)) == 0);
    for (int r = LEVEL_REASON_NONE + 1; r < LEVEL_REASON_COUNT; r++) {
        struct metric *c = metric_with(m->transitions, level_reason_word((enum level_reason)r));
        metric_add(c, (double)w->transitions[r] - metric_value(c));
    }
    metric_set(metric_with(m->usage_ratio, "cpu"), (double)w->usage.cpu_permille / 1000);
    metric_set(metric_with(m->usage_ratio, "memory"), (double)w->usage.memory_permille / 1000);
    set(m->slots_free, (double)w->local.slots);
    set(m->slots_total, (double)w->slots_total);
    set(m->reservations, (double)w->reserved);
    set(m->usage_age, w->usage.age_ms < 0 ? -1 : seconds(w->usage.age_ms));
    set(m->usage_coverage, (double)w->usage.coverage_permille / 1000);
    set(m->usage_known, w->usage.known);
}

static void set_remotes(struct gateway_metrics *m, const struct gateway *g)
{
    for (size_t i = 0; i < remotes_count(g->remotes); i++) {
        struct remote *r = remotes_at(g->remotes, i);
        const char *site = remote_name(r);
        int64_t seen = remote_seen_ms(r);
        metric_set(metric_with(m->remote_breaker, site), (double)remote_breaker(r));
        metric_set(metric_with(m->remote_openings, site), (double)remote_breaker_openings(r));
        metric_set(metric_with(m->remote_slots, site), (double)remote_capacity(r)->slots);
        metric_set(metric_with(m->remote_sessions, site), (double)remote_capacity(r)->sessions);
        metric_set(metric_with(m->remote_silence, site),
                   seen > 0 ? seconds(world_now_ms(g->world) - seen) : -1);
    }
}

void gateway_metrics_print(struct gateway_metrics *m, struct gateway *g, struct buf *out)
{
    for (int i = 0; i < SESSION_STATE_COUNT; i++) {
        enum session_state state = (enum session_state)i;
        if (state == SESSION_STOPPED || state == SESSION_ERROR)
            continue; /* these do not live */
        metric_set(metric_with(m->sessions, session_state_word(state)),
                   (double)session_table_count_state(g->sessions, state));
    }
    struct watermark_view w;
    watermark_view_take(g, &w);
    set_watermark(m, &w);
    set_marks(m, g, &w);
    set_clients(m, g);
    set_routes(m, g);
    set_orphans(m, g);
    set(m->tombstones, (double)session_table_tombstone_count(g->sessions));
    set(m->redis_up, redis_client_up(g->redis));
    set(m->watch_up, kube_store_connected(g->store));
    set(m->peers, (double)peers_count(g->peers));
    set(m->pods, (double)kube_store_pod_count(g->store));
    set(m->nodes, (double)kube_store_node_count(g->store));
    set(m->loop_lag, seconds(loop_take_worst_lag_ms(g->loop)));
    set_remotes(m, g);
    set(m->cache_bytes, (double)record_cache_bytes(g->records));
    metrics_print(m->registry, out);
}

void gateway_metrics_print_markdown(const struct gateway_metrics *m, struct buf *out)
{
    metrics_print_markdown(m->registry, out);
}
