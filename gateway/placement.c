#include "gateway/placement.h"

#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "clusters/kube_client.h"
#include "clusters/kube_store.h"
#include "clusters/pod_manifest.h"
#include "gateway/edge_sync.h"
#include "gateway/environments.h"
#include "gateway/gateway.h"
#include "gateway/gateway_metrics.h"
#include "gateway/remote_pick.h"
#include "gateway/remote_placement.h"
#include "gateway/session_request.h"
#include "gateway/session_sync.h"
#include "gateway/session_table.h"
#include "gateway/site_clock.h"
#include "gateway/tender.h"
#include "router/decision.h"
#include "router/edge_reservations.h"
#include "router/peers.h"
#include "router/remote.h"
#include "router/result_store.h"
#include "watermark/reservations.h"
#include "watermark/watermark_feed.h"

#include <stdio.h>
#include <stdlib.h>

#define TRIES_MAX        4
#define RETRY_MS         100
#define LIFETIME_SLACK_S 120
#define DOUBT_MS         5000 /* how late a watch may tell of a pod that nobody waits for */

struct placement {
    struct gateway *g;
    struct session *s;
    struct json_t *pod;
    struct kube_resources shape;
    enum decision_reason reason;
    char edge_key[EDGE_KEY_SIZE];
    bool adopt_any;
    bool doubtful; /* the create's answer was lost, and no pod was found */
    int tries;
    struct timer *timer;
};

static void create_pod(struct placement *p);

static void free_placement(struct placement *p)
{
    timer_free(p->g->world, &p->timer);
    json_free(p->pod);
    session_unref(p->s);
    free(p);
}

/* -- outcomes -- */

static void succeed(struct placement *p)
{
    struct gateway *g = p->g;
    struct session *s = p->s;
    reservations_seen(g->reservations, s->id, world_now_ms(g->world));
    edge_reservations_seen(g->edge, p->edge_key);
    if (session_state(s) == SESSION_PENDING)
        fsm_move(&s->fsm, SESSION_CREATING);
    tender_start(g, s);
    session_table_changed(g->sessions, s);
    free_placement(p);
}

static void take_back(struct placement *p)
{
    int64_t now_ms = world_now_ms(p->g->world);
    if (p->doubtful) {
        reservations_doubt(p->g->reservations, p->s->id, now_ms + DOUBT_MS);
        edge_reservations_seen(p->g->edge, p->edge_key); /* for a moment, as of one that is */
    } else {
        reservations_release(p->g->reservations, p->s->id);
        edge_reservations_release(p->g->edge, p->edge_key);
    }
    watermark_feed_dropped(p->g->feed, p->s->id);
}

static void fail(struct placement *p, const struct err *err)
{
    struct gateway *g = p->g;
    struct session *s = p->s;
    take_back(p);
    session_set_failure(s, err);
    snprintf(s->reason, sizeof(s->reason), "%s", err_wire_name(err->code));
    session_set_text(&s->message, err->msg);
    LOG(LOG_WARN, "session_refused", KV("session", s->id), KV("code", s->reason),
        KV("detail", err->msg));
    if (!session_is_over(s)) /* its pod came, failed and went before the create's answer */
        fsm_move(&s->fsm, SESSION_ERROR);
    session_table_remove(g->sessions, s, NULL);
    session_sync_again(g, s->id);
    free_placement(p);
}

static void failf(struct placement *p, enum err_code code, const char *text)
{
    struct err err;
    err_set(&err, code, "%s", text);
    fail(p, &err);
}

/* What another site sent here goes no further. */
static bool may_leave(struct gateway *g, const char *wish, const char *origin)
{
    struct err ignored;
    return !*origin && remote_pick_possible(g, wish, &ignored);
}

/* The cluster has no room after all. */
static void overflow(struct placement *p, enum decision_reason reason, const struct err *err)
{
    struct gateway *g = p->g;
    if (strcmp(p->s->wish, "auto") != 0 || !may_leave(g, "auto", p->s->spec.origin)) {
        fail(p, err);
        return;
    }
    take_back(p);
    remote_placement_start(g, p->s, reason, p->adopt_any);
    free_placement(p);
}

static void nothing_more(const struct slice *value, const struct err *err, void *user)
{
    /* When the store is down the old tombstone stays; its epoch tells that it is another's. */
    (void)value;
    (void)err;
    (void)user;
}

static void created(struct placement *p)
{
    struct session *s = p->s;
    if (s->spec.again)
        result_store_drop_tombstone(p->g->results, s->id, nothing_more, NULL);
    s->posted_ms = world_now_ms(p->g->world);
    LOG(LOG_INFO, "session_created", KV("session", s->id), KV("tenant", s->tenant),
        KV("environment", s->spec.environment), KV("reason", s->spec.placement_reason),
        KV("took_ms", world_now_ms(p->g->world) - s->created_ms));
    succeed(p);
}

/* -- a pod of that name is there -- */

int placement_meet(struct gateway *g, struct session *s, const struct kube_pod *pod, bool adopt_any,
                   struct err *err)
{
    if (strcmp(pod->marks.tenant, s->tenant) != 0)
        return err_set(err, ERR_SESSION_CONFLICT, "the id is in use");
    if (pod->terminating || !kube_pod_alive(pod))
        return err_set(err, ERR_SESSION_STOPPING,
                       "an earlier session of this id is still stopping");
    if (!adopt_any && strcmp(pod->marks.fingerprint, s->fingerprint) != 0)
        return err_set(err, ERR_SESSION_CONFLICT,
                       "the session exists and was made by another request");
    s->placed_here = false;
    session_adopt_pod(s, pod);
    session_see_pod(s, pod, world_now_ms(g->world));
    return 0;
}

static void meet(struct placement *p, const struct kube_pod *pod)
{
    struct session *s = p->s;
    struct err err;
    if (strcmp(pod->marks.epoch, s->epoch) == 0 && *pod->marks.epoch) {
        session_see_pod(s, pod, world_now_ms(p->g->world));
        created(p); /* our own create had gone through */
    } else if (placement_meet(p->g, s, pod, p->adopt_any, &err) < 0) {
        fail(p, &err);
    } else {
        succeed(p);
    }
}

static void again_soon(struct placement *p)
{
    timer_start(p->g->world, p->timer, RETRY_MS, 0);
}

static void on_met(const struct kube_result *r, void *user)
{
    struct placement *p = user;
    const struct kube_pod *pod = r->err ? NULL : kube_store_learn(p->g->store, r->object);
    bool gone = !r->err || r->err->code == ERR_NOT_FOUND;
    if (pod) {
        p->doubtful = false;
        meet(p, pod);
    } else if (gone && ++p->tries < TRIES_MAX) {
        again_soon(
            p); /* gone meanwhile, or the create is still on its way: the name keeps it single */
    } else {
        failf(p, ERR_UNAVAILABLE, "the Kubernetes API does not answer");
    }
}

static void look(struct placement *p)
{
    (void)kube_pod_get(p->g->kube, p->s->id, on_met, p);
}

/* -- the create -- */

static void on_created(const struct kube_result *r, void *user)
{
    struct placement *p = user;
    struct err err;
    if (!r->err) {
        kube_store_learn(p->g->store, r->object);
        created(p);
    } else if (r->err->code == ERR_CONFLICT || r->outcome_unknown) {
        p->doubtful |= r->outcome_unknown;
        look(p);
    } else if (r->err->code == ERR_CAPACITY_FULL) {
        watermark_feed_refused(p->g->feed);
        overflow(p, DECISION_REASON_LOCAL_HOLD, r->err);
    } else if (r->err->code == ERR_UNAVAILABLE || r->err->code == ERR_OVERLOADED) {
        /* Its own words may name addresses, of a webhook for one. */
        LOG(LOG_WARN, "pod_refused", KV("session", p->s->id), KV("error", r->err->msg));
        failf(p, r->err->code, "the cluster does not take the sandbox now");
    } else if (r->err->code == ERR_UNKNOWN_RUNTIME_CLASS) {
        err_set(&err, ERR_UNKNOWN_RUNTIME_CLASS, "the site '%s' has no runtime class '%s'",
                p->g->conf.site, p->s->spec.runtime_class);
        fail(p, &err);
    } else {
        LOG(LOG_ERROR, "pod_refused", KV("session", p->s->id), KV("error", r->err->msg));
        failf(p, ERR_INTERNAL, "the cluster refused the sandbox");
    }
}

static void create_pod(struct placement *p)
{
    (void)kube_pod_create(p->g->kube, p->pod, on_created, p);
}

static void on_timer(void *user)
{
    create_pod(user);
}

/* -- the manifest -- */

/* With the workspace, where that is in memory: as clusters/pod_manifest asks for it. */
static int64_t memory_of(const struct gateway *g, int64_t memory_bytes, int64_t disk_bytes)
{
    return memory_bytes + (gateway_config_is_fast(&g->conf) ? 0 : disk_bytes);
}

static struct json_t *limits_of(const struct gateway *g, const struct session_request *req)
{
    const struct gateway_limits *l = &g->conf.limits;
    struct json_t *j = json_new_object();
    json_set_int(j, "execution_ms", l->execution_ms);
    json_set_int(j, "execution_max_ms", l->execution_max_ms);
    json_set_int(j, "output_bytes", l->output_bytes);
    json_set_int(j, "code_bytes", l->code_bytes);
    json_set_int(j, "executions_max", l->executions);
    json_set_int(j, "pids", req->environment->pids);
    json_set_int(j, "memory_bytes", memory_of(g, req->spec.memory_bytes, req->spec.disk_bytes));
    json_set_int(j, "workspace_bytes", req->spec.disk_bytes);
    json_set_int(j, "upload_bytes", l->upload_bytes);
    json_set_int(j, "body_rate", l->body_rate);
    json_set_int(j, "setup_ms", l->setup_ms);
    json_set_bool(j, "warm", g->conf.agent_warm);
    return j;
}

static struct json_t *build_pod(struct gateway *g, const struct session *s,
                                const struct session_request *req)
{
    char token[DIGEST_HEX], token_sha256[DIGEST_HEX];
    site_key_token(&g->keys, s->key_index, s->id, s->epoch, s->nonce, token);
    digest_sha256_hex(slice_of(token), token_sha256);
    struct json_t *spec = session_spec_to_json(&s->spec);
    struct json_t *limits = limits_of(g, req);
    bool baked = strcmp(g->conf.agent_delivery, "baked") == 0;
    const struct pod_manifest m = {
        .session_id = s->id,
        .namespace_name = kube_client_namespace(g->kube),
        .site = g->conf.site,
        .tenant = s->tenant,
        .epoch = s->epoch,
        .nonce = s->nonce,
        .token_sha256 = token_sha256,
        .fingerprint = s->fingerprint,
        .deadline_wall_ms = s->deadline_wall_ms,
        .lifetime_max_s = g->conf.limits.session_max_ms / 1000 + LIFETIME_SLACK_S,
        .spec = spec,
        .image = req->environment->image,
        .agent_image = baked ? NULL : g->conf.agent_image,
        .fast = gateway_config_is_fast(&g->conf),
        .agent_port = g->conf.agent_port,
        .runtime_class = *s->spec.runtime_class ? s->spec.runtime_class : NULL,
        .millicpu = s->spec.millicpu,
        .memory_bytes = s->spec.memory_bytes,
        .disk_bytes = s->spec.disk_bytes,
        .pids = req->environment->pids,
        .limits = limits,
    };
    struct json_t *pod = pod_manifest_build(&m);
    json_free(spec);
    json_free(limits);
    return pod;
}

/* -- the decision -- */

void placement_shape(const struct gateway *g, int64_t millicpu, int64_t memory_bytes,
                     int64_t disk_bytes, struct kube_resources *out)
{
    bool on_disk = gateway_config_is_fast(&g->conf);

    *out = (struct kube_resources){.millicpu = millicpu + g->conf.overhead_millicpu,
                                   .memory_bytes = memory_of(g, memory_bytes, disk_bytes) +
                                                   g->conf.overhead_memory_bytes,
                                   .ephemeral_bytes = on_disk ? disk_bytes : 0,
                                   .pods = 1};
}

static void count_placement(struct gateway *g, enum decision_reason reason)
{
    gateway_metrics_placement(g->metrics, g->conf.site, decision_reason_name(reason));
}

static bool wishes_elsewhere(const struct gateway *g, const char *wish)
{
    return strcmp(wish, "auto") != 0 && strcmp(wish, "local") != 0 &&
           strcmp(wish, g->conf.site) != 0;
}

bool placement_decide(struct gateway *g, const char *wish, const char *origin,
                      const struct kube_resources *shape, struct decision *out)
{
    struct snapshot local;
    const struct decision_input in = {.local = &local,
                                      .now_ms = world_now_ms(g->world),
                                      .wish = wish,
                                      .site = g->conf.site,
                                      .elsewhere = *origin ? DECISION_ELSEWHERE_NONE
                                                           : remote_pick_elsewhere(g)};
    bool may_leave = !*origin && remotes_count(g->remotes) > 0;
    watermark_feed_take(g->feed, shape, &local);
    decision_make(&in, out);
    if (may_leave && wishes_elsewhere(g, wish)) {
        out->reason = DECISION_REASON_WISHED;
        return true;
    }
    return may_leave && out->kind != DECISION_LOCAL && strcmp(wish, "auto") == 0;
}

/* 0 with *elsewhere: at another site, for out->reason. */
static int decide(struct gateway *g, const struct session_request *req,
                  const struct kube_resources *shape, struct decision *out, bool *elsewhere,
                  struct err *err)
{
    *elsewhere = placement_decide(g, req->placement, req->origin.site, shape, out);
    if (out->kind == DECISION_LOCAL)
        return 0; /* counted when the other gateways agree */
    if (*elsewhere && remote_pick_possible(g, req->placement, err))
        return 0;
    if (out->reason == DECISION_REASON_WISHED)
        return -(int)err->code;
    count_placement(g, out->reason);
    if (out->reason == DECISION_REASON_NO_SUCH_SITE)
        return err_set(err, ERR_INVALID_ARGUMENT, "placement: %s",
                       decision_reason_text(out->reason));
    return err_set(err, out->kind == DECISION_FULL ? ERR_CAPACITY_FULL : ERR_UNAVAILABLE, "%s",
                   decision_reason_text(out->reason));
}

/* -- near the edge the gateways of a site must agree -- */

static int64_t see_room(void *user)
{
    struct placement *p = user;
    struct snapshot local;
    watermark_feed_take(p->g->feed, &p->shape, &local);
    return local.room - local.reserve;
}

static bool see_pod(const char *key, void *user)
{
    struct placement *p = user;
    return edge_sync_sees(p->g, key);
}

/* Redis may not have heard of all of them yet. */
static int64_t count_gateways(const struct gateway *g)
{
    int64_t live = (int64_t)peers_count(g->peers);
    return live > g->conf.watermark.gateways ? live : g->conf.watermark.gateways;
}

/* Of others than this one. */
static int64_t count_recent(const struct placement *p)
{
    return reservations_recent(p->g->reservations, world_now_ms(p->g->world)) - 1;
}

static void on_agreed(enum edge_answer answer, void *user)
{
    struct placement *p = user;
    bool may = answer == EDGE_GRANTED;
    if (answer == EDGE_UNKNOWN)
        may = edge_share_allows(see_room(p), count_recent(p), count_gateways(p->g));
    if (may) {
        count_placement(p->g, p->reason);
        create_pod(p);
        return;
    }
    struct err err;
    count_placement(p->g, DECISION_REASON_LOCAL_RESERVED);
    err_set(&err, ERR_CAPACITY_FULL, "%s", decision_reason_text(DECISION_REASON_LOCAL_RESERVED));
    overflow(p, DECISION_REASON_LOCAL_RESERVED, &err);
}

static void agree(struct placement *p)
{
    static const struct edge_view VIEW = {see_room, see_pod};
    struct gateway *g = p->g;
    if (edge_is_near(see_room(p), count_recent(p), count_gateways(g))) {
        edge_reservations_take(g->edge, p->edge_key, &VIEW, on_agreed, p);
        return;
    }
    edge_reservations_note(g->edge, p->edge_key);
    count_placement(g, p->reason);
    create_pod(p);
}

static int check_quota(struct gateway *g, const char *tenant, struct err *err)
{
    const struct gateway_limits *l = &g->conf.limits;
    if ((int64_t)session_table_count(g->sessions) >= l->sessions)
        return err_set(err, ERR_OVERLOADED, "the site's limit of %lld sessions is reached",
                       (long long)l->sessions);
    if (l->sessions_per_tenant > 0 &&
        (int64_t)session_table_count_tenant(g->sessions, tenant) >= l->sessions_per_tenant)
        return err_set(err, ERR_QUOTA_EXCEEDED, "the tenant's quota of %lld sessions is used up",
                       (long long)l->sessions_per_tenant);
    return 0;
}

/* Another site has decided these. */
static void take_origin(struct session *s, const struct session_origin *o)
{
    snprintf(s->spec.origin, sizeof(s->spec.origin), "%s", o->site);
    snprintf(s->spec.placement_reason, sizeof(s->spec.placement_reason), "%s", o->reason);
    snprintf(s->epoch, sizeof(s->epoch), "%s", o->epoch);
    snprintf(s->fingerprint, sizeof(s->fingerprint), "%s", o->fingerprint);
    if (o->left_ms < s->spec.timeout_ms)
        s->deadline_wall_ms = s->created_wall_ms + o->left_ms;
}

static struct session *make_session(struct gateway *g, const char *id, const char *tenant,
                                    const struct session_request *req, const struct decision *d)
{
    struct session *s =
        session_new(id, tenant, (uint16_t)g->conf.agent_port, world_now_ms(g->world));
    session_spec_copy(&s->spec, &req->spec);
    snprintf(s->spec.placement_reason, sizeof(s->spec.placement_reason), "%s",
             decision_reason_name(d->reason));
    snprintf(s->wish, sizeof(s->wish), "%s", req->placement);
    session_request_fingerprint(req, site_key_at(&g->keys, 0), s->fingerprint);
    world_random_hex(g->world, s->epoch, 16);
    world_random_hex(g->world, s->nonce, 16);
    s->env = req->env ? json_ref(req->env) : NULL;
    s->created_wall_ms = s->spec.created_wall_ms = site_clock_ms(g);
    s->deadline_wall_ms = s->created_wall_ms + s->spec.timeout_ms;
    s->placed_here = true;
    s->is_new_id = req->is_new_id;
    if (*req->origin.site)
        take_origin(s, &req->origin);
    return s;
}

struct session *placement_start(struct gateway *g, const char *id, const char *tenant,
                                struct session_request *req, bool adopt_any, struct err *err)
{
    struct decision d;
    struct kube_resources shape;
    bool elsewhere;
    placement_shape(g, req->spec.millicpu, req->spec.memory_bytes, req->spec.disk_bytes, &shape);
    if (check_quota(g, tenant, err) < 0 || decide(g, req, &shape, &d, &elsewhere, err) < 0)
        return NULL;
    struct session *s = make_session(g, id, tenant, req, &d);
    if (elsewhere) {
        session_table_add(g->sessions, s);
        remote_placement_start(g, s, d.reason, adopt_any);
        return s;
    }
    struct placement *p = mem_alloc(sizeof(*p));
    p->g = g;
    p->s = session_ref(s);
    p->pod = build_pod(g, s, req);
    p->shape = shape;
    p->reason = d.reason;
    edge_sync_key(s, p->edge_key);
    p->adopt_any = adopt_any;
    p->timer = timer_new(g->world, on_timer, p);
    session_table_add(g->sessions, s);
    reservations_take(g->reservations, s->id, world_now_ms(g->world));
    watermark_feed_admitted(g->feed, s->id);
    agree(p);
    return s;
}

bool placement_was_created(const struct session *s)
{
    return s->placed_here;
}
