#include "gateway/remote_placement.h"

#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "clusters/kube_client.h"
#include "clusters/kube_object.h"
#include "clusters/kube_store.h"
#include "gateway/agent_call.h"
#include "gateway/gateway.h"
#include "gateway/gateway_metrics.h"
#include "gateway/packages.h"
#include "gateway/placement.h"
#include "gateway/remote_delete.h"
#include "gateway/remote_pick.h"
#include "gateway/remote_session.h"
#include "gateway/session_sync.h"
#include "gateway/session_table.h"
#include "gateway/site_clock.h"
#include "gateway/tender.h"
#include "router/remote.h"
#include "router/result_store.h"
#include "router/route_record.h"

#include <stdio.h>
#include <stdlib.h>

#define CREATE_MS    4000
#define LOOK_MS      500
#define LOOK_CALL_MS 1500
#define LOOKS_MAX    2
#define RETRY_MS     500
#define POD_GRACE_S  2
#define OTHERS_MS    15000

struct remote_placement {
    struct gateway *g;
    struct session *s;
    enum decision_reason reason;
    bool adopt_any;
    bool moves;      /* its pod here must be gone first */
    bool awaits_end; /* … and was told to go: its end is what is waited for */
    bool past;       /* … had an earlier life here, as was not known when it was begun */
    bool joined;     /* another's incarnation, which may be of another request */
    bool freed;      /* while an answer of the store is on its way */
    bool in_store;
    bool tried[REMOTES_MAX];
    struct remote *remote;
    char epoch[33];   /* of the incarnation there */
    char claimed[33]; /* epoch of our record; "" */
    int looks;
    int64_t begun_ms;
    struct remote_call *call;
    struct kube_call *kube;
    struct timer *timer;
    void (*on_timer)(struct remote_placement *p);
    struct err last; /* what the last site said */
};

static void try_next(struct remote_placement *p);
static void create(struct remote_placement *p);
static void look(struct remote_placement *p);
static void remove_pod(struct remote_placement *p);

/* -- the end -- */

static void release(struct remote_placement *p)
{
    if (p->in_store) {
        p->freed = true;
        return;
    }
    session_unref(p->s);
    free(p);
}

void remote_placement_free(struct remote_placement **at)
{
    struct remote_placement *p = *at;
    if (!p)
        return;
    *at = NULL;
    remote_call_cancel(&p->call);
    if (p->kube)
        kube_call_cancel(&p->kube);
    timer_free(p->g->world, &p->timer);
    release(p);
}

static void note_nothing(const struct route_answer *a, const struct err *err, void *user)
{
    (void)a;
    (void)err;
    (void)user;
}

/* Where a session moves that has lived here, its pod is the last that says so. */
static struct route_record row_of(const struct remote_placement *p, enum route_state state,
                                  const char *epoch)
{
    const struct session *s = p->s;
    struct route_record row = {.state = state};
    snprintf(row.site, sizeof(row.site), "%s", p->remote ? remote_name(p->remote) : "-");
    snprintf(row.epoch, sizeof(row.epoch), "%s", epoch);
    snprintf(row.tenant, sizeof(row.tenant), "%s", s->tenant);
    if (p->moves && s->spec.again) {
        snprintf(row.lived, sizeof(row.lived), "%s", p->g->conf.site);
        snprintf(row.lived_epoch, sizeof(row.lived_epoch), "%s", s->epoch);
    }
    return row;
}

/* Not as the end of that epoch, which is final: where it is not known whether the site made the
 * session, it may be found later and be taken into use. */
static void withdraw_record(struct remote_placement *p)
{
    struct route_record row = row_of(p, ROUTE_GONE, ROUTE_EPOCH_NONE);
    if (*p->claimed)
        route_record_write(p->g->routes, p->s->id, &row, p->claimed, note_nothing, NULL);
}

static void note_stored(const struct slice *value, const struct err *err, void *user)
{
    (void)value;
    (void)err;
    (void)user;
}

/* The one before it went when its pod was made. */
static void keep_tombstone(struct remote_placement *p, const struct tombstone *tomb)
{
    struct buf text;
    buf_init(&text, TOMBSTONE_BYTES_MAX);
    tombstone_print(tomb, &text);
    result_store_put_tombstone(p->g->results, p->s->id, buf_slice(&text), note_stored, NULL);
    buf_fini(&text);
}

static void fail(struct remote_placement *p, const struct err *err)
{
    struct gateway *g = p->g;
    struct session *s = session_ref(p->s);
    struct tombstone *tomb = NULL;
    session_set_failure(s, err);
    snprintf(s->reason, sizeof(s->reason), "%s",
             p->moves ? "unschedulable" : err_wire_name(err->code));
    session_set_text(&s->message, err->msg);
    LOG(LOG_WARN, "session_refused", KV("session", s->id), KV("code", err_wire_name(err->code)),
        KV("detail", err->msg));
    withdraw_record(p);
    fsm_move(&s->fsm, SESSION_ERROR);
    s->ended_wall_ms = site_clock_ms(g);
    if (p->moves) /* it was there: its client is told how it ended */
        tomb = tombstone_new(s, true, NULL, g->conf.site);
    if (tomb && s->spec.again && !p->past)
        keep_tombstone(p, tomb);
    remote_placement_free(&s->handover);
    session_table_remove(g->sessions, s, tomb);
    session_sync_again(g, s->id); /* a pod that came up here meanwhile was passed by */
    session_unref(s);
}

static void failf(struct remote_placement *p, enum err_code code, const char *text)
{
    struct err err;
    err_set(&err, code, "%s", text);
    fail(p, &err);
}

/* `made`: by our own create, as far as is known. */
static void succeed(struct remote_placement *p, const struct json_t *words, bool made)
{
    struct gateway *g = p->g;
    struct session *s = session_ref(p->s);
    s->placed_here = made;
    snprintf(s->epoch, sizeof(s->epoch), "%s", json_get_text(words, "epoch", p->epoch));
    s->spec.again |= p->past;
    /* Who saw its pod here end may have taken that for the session's end. */
    if (s->spec.again || p->moves)
        result_store_drop_tombstone(g->results, s->id, note_stored, NULL);
    json_free(s->env);
    s->env = NULL;
    s->unschedulable_since_ms = 0;
    s->pod_gone = s->pod_ready = s->pod_over = s->pod_deleting = false; /* of the one here */
    s->pod_uid[0] = s->pod_trouble[0] = s->agent.host[0] = '\0';
    remote_note_session(p->remote);
    gateway_metrics_placement(g->metrics, remote_name(p->remote), decision_reason_name(p->reason));
    LOG(LOG_INFO, "session_created_remotely", KV("session", s->id), KV("tenant", s->tenant),
        KV("site", remote_name(p->remote)), KV("reason", decision_reason_name(p->reason)),
        KV("moved", p->moves), KV("took_ms", world_now_ms(g->world) - p->begun_ms));
    remote_session_attach(g, s, p->remote, p->claimed); /* an earlier incarnation may be taken */
    remote_placement_free(&s->handover);
    remote_session_see(s, json_get(words, "session"));
    remote_session_want(s);
    session_table_changed(g->sessions, s);
    session_sync_again(g, s->id); /* as above */
    session_unref(s);
}

/* -- create -- */

static struct json_t *request_json(const struct gateway *g, const struct session *s)
{
    const struct session_spec *spec = &s->spec;
    bool own_class =
        *spec->runtime_class && strcmp(spec->runtime_class, g->conf.runtime_class) != 0;
    struct json_t *j = json_new_object();
    json_set_text(j, "environment", spec->environment);
    json_set_text(j, "cleanup", session_cleanup_name(spec->cleanup));
    json_set_int(j, "timeout_seconds", spec->timeout_ms / 1000);
    json_set_int(j, "idle_timeout_seconds", spec->idle_ms / 1000);
    json_set(j, "resources", session_spec_resources(spec));
    if (own_class)
        json_set_text(j, "runtime_class", spec->runtime_class);
    if (s->env)
        json_set(j, "env", json_ref(s->env));
    if (spec->metadata)
        json_set(j, "metadata", json_ref(spec->metadata));
    packages_put(spec->packages, j);
    return j;
}

static struct json_t *create_json(const struct remote_placement *p)
{
    const struct session *s = p->s;
    struct json_t *j = json_new_object();
    json_set_text(j, "epoch", p->epoch);
    json_set_text(j, "fingerprint", s->fingerprint);
    json_set_text(j, "reason", decision_reason_name(p->reason));
    json_set_bool(j, "again", s->spec.again || p->past);
    json_set_int(j, "expire_at_ms", s->deadline_wall_ms);
    json_set_int(j, "sent_at_ms", site_clock_ms(p->g));
    json_set(j, "request", request_json(p->g, s));
    return j;
}

static void go_on_later(struct remote_placement *p, void (*fn)(struct remote_placement *),
                        int64_t after_ms)
{
    p->on_timer = fn;
    timer_start(p->g->world, p->timer, after_ms, 0);
}

static void on_timer(void *user)
{
    struct remote_placement *p = user;
    p->on_timer(p);
}

static void take_words(struct remote_placement *p, struct slice body, bool made)
{
    struct err err;
    struct json_t *words = json_parse_object(body, &err);
    bool ours = !p->joined && strcmp(json_get_text(words, "epoch", ""), p->epoch) == 0;
    bool same =
        p->adopt_any || strcmp(json_get_text(words, "fingerprint", ""), p->s->fingerprint) == 0;
    if (!words || !json_true(json_get(words, "living")))
        failf(p, ERR_UNAVAILABLE, "the other site gave no usable answer");
    else if (!ours && !same)
        failf(p, ERR_SESSION_CONFLICT, "the session exists and was made by another request");
    else
        succeed(p, words, made);
    json_free(words);
}

static void on_created(const struct remote_result *result, void *user)
{
    struct remote_placement *p = user;
    p->call = NULL;
    if (result->status / 100 == 2) {
        take_words(p, result->body, result->status == 201);
        return;
    }
    if (result->err)
        p->last = *result->err;
    else
        agent_call_problem(result->status, result->body, &p->last);
    if (result->full)
        remote_note_full(p->remote);
    if (result->status == 409)
        fail(p, &p->last);
    else if (result->not_sent || result->not_started || (result->status / 100 == 4))
        try_next(p);
    else
        look(p);
}

static void create(struct remote_placement *p)
{
    char target[128];
    struct buf body;
    struct json_t *j = create_json(p);
    p->awaits_end = false;
    buf_init(&body, (size_t)p->g->conf.limits.create_body_bytes + 4096);
    json_print(j, &body);
    json_free(j);
    snprintf(target, sizeof(target), "/internal/v1/sessions/%s", p->s->id);
    const struct remote_request req = {.operation = "create",
                                       .method = "POST",
                                       .target = target,
                                       .tenant = p->s->tenant,
                                       .epoch = p->epoch,
                                       .body = buf_slice(&body),
                                       .total_ms = CREATE_MS};
    p->call = remote_call_start(p->remote, &req, on_created, p);
    buf_fini(&body);
}

/* -- it is not known whether the site took it -- */

static void on_looked(const struct remote_result *result, void *user)
{
    struct remote_placement *p = user;
    p->call = NULL;
    if (result->status == 200) {
        take_words(p, result->body, true);
    } else if (result->status == 404) {
        /* The create may still be on its way. */
        remote_delete_doubtful(p->g, p->remote, p->s->id, p->epoch, 3 * CREATE_MS);
        try_next(p);
    } else if (++p->looks < LOOKS_MAX) {
        go_on_later(p, look, LOOK_MS);
    } else {
        remote_delete_doubtful(p->g, p->remote, p->s->id, p->epoch, 3 * CREATE_MS);
        fail(p, &p->last);
    }
}

static void look(struct remote_placement *p)
{
    char target[128];
    snprintf(target, sizeof(target), "/internal/v1/sessions/%s", p->s->id);
    const struct remote_request req = {.operation = "lookup",
                                       .method = "GET",
                                       .target = target,
                                       .tenant = p->s->tenant,
                                       .total_ms = LOOK_CALL_MS};
    p->call = remote_call_start(p->remote, &req, on_looked, p);
}

/* -- claim -- */

static void stay_here(struct remote_placement *p)
{
    struct gateway *g = p->g;
    struct session *s = session_ref(p->s);
    withdraw_record(p);
    remote_placement_free(&s->handover);
    tender_start(g, s);
    session_table_changed(g->sessions, s);
    session_unref(s);
}

static void meet(struct remote_placement *p, const struct kube_pod *pod)
{
    struct err err;
    bool ours = pod && *pod->marks.epoch;
    if (ours && placement_meet(p->g, p->s, pod, p->adopt_any, &err) == 0)
        stay_here(p);
    else if (ours)
        fail(p, &err);
    else
        create(p); /* gone meanwhile, or a stranger's: it has nothing to do with sessions */
}

static void on_looked_here(const struct kube_result *r, void *user)
{
    struct remote_placement *p = user;
    p->kube = NULL;
    if (!r->err) {
        const struct kube_pod *pod = kube_store_learn(p->g->store, r->object);
        meet(p, pod ? pod : kube_store_pod(p->g->store, p->s->id)); /* another since, or none */
    } else if (r->err->code == ERR_NOT_FOUND) {
        create(p);
    } else {
        failf(p, ERR_UNAVAILABLE,
              "the Kubernetes API does not answer, so it is not known whether the session is here");
    }
}

/* Its pod may be here: made by another gateway while this one's view was old, or by a create that
 * was given up. Behind the claim: who makes it from now on meets that (stray_check.h). */
static void claimed(struct remote_placement *p)
{
    if (p->moves && !p->s->pod_gone)
        remove_pod(p);
    else if (p->moves || p->s->is_new_id)
        create(p);
    else
        p->kube = kube_pod_get(p->g->kube, p->s->id, on_looked_here, p);
}

/* Somebody else is about it, or has just been: the same incarnation, or none. */
static void join(struct remote_placement *p, const struct route_record *r)
{
    struct remote *there = remotes_get(p->g->remotes, r->site);
    bool same = p->adopt_any || strcmp(r->fingerprint, p->s->fingerprint) == 0;
    if (strcmp(r->tenant, p->s->tenant) != 0) {
        failf(p, ERR_SESSION_CONFLICT, "the id is in use");
    } else if (r->state == ROUTE_CLOSING) {
        failf(p, ERR_SESSION_STOPPING, "the session is still stopping");
    } else if (r->state == ROUTE_PENDING && !same) { /* who comes first there decides what it is */
        failf(p, ERR_SESSION_CONFLICT, "the id is being used for another request");
    } else if (there) {
        p->remote = there;
        p->joined = true;
        snprintf(p->epoch, sizeof(p->epoch), "%s", r->epoch);
        claimed(p);
    } else {
        failf(p, ERR_SITE_UNREACHABLE, "the site of this id is not known here any more");
    }
}

static void on_claimed(const struct route_answer *a, const struct err *err, void *user)
{
    struct remote_placement *p = user;
    p->in_store = false;
    if (p->freed) {
        release(p);
        return;
    }
    if (!err && a->found) {
        join(p, &a->record);
        return;
    }
    /* Without Redis it is found again by asking; a claim that was late may stand there yet. */
    snprintf(p->claimed, sizeof(p->claimed), "%s", p->epoch);
    claimed(p);
}

static void claim(struct remote_placement *p)
{
    struct route_record row = row_of(p, ROUTE_PENDING, p->epoch);
    char before[33];
    snprintf(before, sizeof(before), "%s", p->claimed);
    snprintf(row.fingerprint, sizeof(row.fingerprint), "%s", p->s->fingerprint);
    p->in_store = true;
    route_record_write(p->g->routes, p->s->id, &row, *before ? before : NULL, on_claimed, p);
}

static void give_up(struct remote_placement *p, enum decision_reason why)
{
    struct err err;
    bool down = why == DECISION_REASON_REMOTE_DOWN || p->last.code == ERR_SITE_UNREACHABLE;
    gateway_metrics_placement(p->g->metrics, "none", decision_reason_name(why));
    /* Where the client insists on that site, what the site refuses is the client's. */
    if (p->reason == DECISION_REASON_WISHED && err_http_status(p->last.code) == 400)
        err = p->last;
    else if (p->last.code != ERR_NONE)
        err_set(&err, down ? ERR_SITE_UNREACHABLE : ERR_CAPACITY_FULL, "%s, and %s: %.160s",
                decision_reason_text(p->reason), decision_reason_text(why), p->last.msg);
    else
        err_set(&err, down ? ERR_SITE_UNREACHABLE : ERR_CAPACITY_FULL, "%s, and %s",
                decision_reason_text(p->reason), decision_reason_text(why));
    fail(p, &err);
}

static void try_next(struct remote_placement *p)
{
    enum decision_reason why = DECISION_REASON_REMOTE_FULL;
    if (p->remote) {
        for (size_t i = 0; i < remotes_count(p->g->remotes); i++)
            p->tried[i] |= remotes_at(p->g->remotes, i) == p->remote;
    }
    int chosen = remote_pick_next(p->g, p->s->wish, p->tried, &why);
    if (chosen < 0) {
        give_up(p, why);
        return;
    }
    p->remote = remotes_at(p->g->remotes, (size_t)chosen);
    p->looks = 0;
    world_random_hex(p->g->world, p->epoch, 16);
    claim(p);
}

/* -- start -- */

static struct remote_placement *new_placement(struct gateway *g, struct session *s,
                                              enum decision_reason reason)
{
    struct remote_placement *p = mem_alloc(sizeof(*p));
    p->g = g;
    p->s = session_ref(s);
    p->reason = reason;
    p->begun_ms = world_now_ms(g->world);
    p->timer = timer_new(g->world, on_timer, p);
    s->handover = p;
    snprintf(s->spec.placement_reason, sizeof(s->spec.placement_reason), "%s",
             decision_reason_name(reason));
    return p;
}

void remote_placement_start(struct gateway *g, struct session *s, enum decision_reason reason,
                            bool adopt_any)
{
    struct remote_placement *p = new_placement(g, s, reason);
    p->adopt_any = adopt_any;
    go_on_later(p, try_next, 0); /* not before this returned */
}

/* -- a pod that will not come up goes first -- */

static void on_removed(const struct kube_result *r, void *user)
{
    struct remote_placement *p = user;
    p->kube = NULL;
    bool gone = r->err && (r->err->code == ERR_NOT_FOUND || r->err->code == ERR_CONFLICT);
    if (gone)
        p->s->pod_gone = true;
    if (p->s->pod_gone) /* the watch may have said so before this answer came */
        create(p);
    else if (r->err)
        go_on_later(p, remove_pod, RETRY_MS);
    /* else: its end will be seen, remote_placement_poke() */
}

static void remove_pod(struct remote_placement *p)
{
    struct session *s = p->s;
    if (s->pod_ready) { /* it came up after all, and somebody may use it already */
        snprintf(s->spec.placement_reason, sizeof(s->spec.placement_reason), "%s",
                 decision_reason_name(DECISION_REASON_LOCAL_ROOM));
        stay_here(p);
    } else if (s->pod_gone || !*s->pod_uid) {
        create(p);
    } else {
        p->awaits_end = true;
        p->kube =
            kube_pod_delete(p->g->kube, s->pod_name, s->pod_uid, NULL, POD_GRACE_S, on_removed, p);
    }
}

void remote_placement_poke(struct remote_placement *p)
{
    if (!p->awaits_end || !p->s->pod_gone || p->kube)
        return;
    timer_stop(p->g->world, p->timer); /* to try again: two creates would end one placement twice */
    create(p);
}

bool remote_placement_may_come(const struct gateway *g, const struct session *s)
{
    int64_t age_ms = site_clock_ms(g) - s->created_wall_ms;
    return remotes_count(g->remotes) > 0 && !s->placed_here && !session_is_started(s) &&
           age_ms < OTHERS_MS;
}

static void on_past(const struct slice *tombstone, const struct err *err, void *user)
{
    struct remote_placement *p = user;
    (void)err; /* as when a session is begun: nobody is kept from it */
    p->in_store = false;
    if (p->freed) {
        release(p);
        return;
    }
    p->past = tombstone != NULL;
    try_next(p);
}

/* It may have been begun while the store was silent: what ran in an earlier life here, and is
 * known by now, shall not run there. */
static void ask_for_past(struct remote_placement *p)
{
    p->in_store = true;
    result_store_get_tombstone(p->g->results, p->s->id, on_past, p);
}

bool remote_placement_move(struct gateway *g, struct session *s, enum decision_reason reason)
{
    struct err ignored;
    bool knows_all = s->placed_here && (!s->spec.has_env || s->env) && *s->wish;
    if (!knows_all || session_is_started(s) || s->pod_ready || s->ending || s->handover ||
        *s->spec.origin || !remote_pick_possible(g, s->wish, &ignored))
        return false;
    LOG(LOG_INFO, "session_moves", KV("session", s->id),
        KV("reason", decision_reason_name(reason)));
    tender_free(&s->tender);
    struct remote_placement *p = new_placement(g, s, reason);
    p->moves = true;
    go_on_later(p, ask_for_past, 0);
    return true;
}
