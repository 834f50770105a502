#include "sim_property.h"

#include "base/json.h"
#include "base/mem.h"
#include "clusters/kube_object.h"
#include "gateway/api.h"
#include "http/http_server.h"
#include "router/decision.h"
#include "sim_agent.h"
#include "sim_history.h"
#include "sim_loop.h"
#include "sim_world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <uthash.h>
#include <utlist.h>

#define SNAPSHOT_MS 75000 /* a watch's silence, the check that follows, and their pauses */
#define TIMERS_MAX  600   /* of one gateway */
#define SKEW_MS     3000
#define USED_PODS   16
#define SLACK_MS    1500 /* around a deadline */
#define TOLD_MS     8000 /* behind its start a session's life is told everywhere */
#define LATE_MS     3000 /* of a create; the clock that it is measured by may be wrong by 1.5 s */

/* -- what is remembered -- */

struct execution {
    char key[128]; /* session, execution */
    int submissions;
    int64_t first_ms;
    char epoch[40];                       /* of the first */
    const struct sim_agent *agent, *last; /* the first one, and where it ran again, if it may */
    bool accepted;
    UT_hash_handle hh;
};

struct life {
    char id[64];
    const struct sim_agent *used[USED_PODS]; /* incarnations that took an execution */
    int used_count;
    int64_t promised_ms[SIM_SITES_MAX]; /* when a client was told last that it is there; 0: never */
    int64_t deleted_ms;                 /* when a client asked for that last; 0: never */
    UT_hash_handle hh;
};

static struct {
    struct sim_history *history;
    struct execution *executions;
    struct life *lives;
} seen;

void sim_violated(const char *property, const char *fmt, ...)
{
    va_list args;
    fflush(stdout);
    printf("seed %" PRIu64 " at %.3f s: %s: ", sim_history_seed, (double)sim_now() / 1000,
           property);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    printf("\n");
    fflush(stdout);
    _Exit(1);
}

void sim_property_begin(struct sim_history *h)
{
    seen.history = h;
}

void sim_property_end(void)
{
    struct execution *e, *next_e;
    struct life *s, *next_s;
    HASH_ITER (hh, seen.executions, e, next_e) {
        HASH_DEL(seen.executions, e);
        free(e);
    }
    HASH_ITER (hh, seen.lives, s, next_s) {
        HASH_DEL(seen.lives, s);
        free(s);
    }
    seen.history = NULL;
}

static struct execution *execution_of(const char *session, const char *id)
{
    struct execution *e;
    char key[128];
    snprintf(key, sizeof(key), "%s %s", session, id);
    HASH_FIND_STR(seen.executions, key, e);
    if (e)
        return e;
    e = mem_alloc(sizeof(*e));
    snprintf(e->key, sizeof(e->key), "%s", key);
    HASH_ADD_STR(seen.executions, key, e);
    return e;
}

static struct life *life_of(const char *id)
{
    struct life *s;
    HASH_FIND_STR(seen.lives, id, s);
    if (s)
        return s;
    s = mem_alloc(sizeof(*s));
    snprintf(s->id, sizeof(s->id), "%s", id);
    HASH_ADD_STR(seen.lives, id, s);
    return s;
}

/* -- executions -- */

/* What a site's Redis has of a session: "r", its record, "t", its tombstone, "x:ID", a result. */
static bool is_stored(const struct sim_site *site, const char *id, const char *what)
{
    char key[160];
    if (!sim_redis_process(site->redis)->alive)
        return false;
    snprintf(key, sizeof(key), "spillway:{%s}:%s", id, what);
    const struct slice get[] = {slice_of("EXISTS"), slice_of(key)};
    struct redis_value *v = sim_redis_run(site->redis, get, 2);
    bool has = v->number == 1;
    sim_redis_reply_free(&v);
    return has;
}

/* Redis lost its record, or did not answer when that should have been written. A gateway that has
 * lost its memory, or that looks at a pod while Redis is away, does not know of the session
 * elsewhere.
 */
static bool is_unknowable(const struct sim_agent *a)
{
    const struct sim_history *h = seen.history;
    return (h->killed || h->redis_away_ms >= a->made_ms) &&
           !is_stored(h->sites[0], a->session_id, "r");
}

void sim_property_started(struct sim_agent *a)
{
    a->unknowable = is_unknowable(a);
}

static int site_at(int place)
{
    const struct sim_history *h = seen.history;
    for (int i = 0; i < h->site_count; i++) {
        if (h->sites[i]->cluster->place == place)
            return i;
    }
    UNREACHABLE();
}

/* Two incarnations may live for a while, but what clients ask for goes to one of them. */
static void check_one_pod(const struct sim_agent *a)
{
    struct life *s = life_of(a->session_id);
    bool known = false;
    for (int i = 0; i < s->used_count; i++) {
        const struct sim_agent *other = s->used[i];
        known |= other == a;
        bool excused = a->unknowable || is_unknowable(a);
        if (other != a && !excused && other->process.alive && !other->activity.quiesced)
            sim_violated("one pod", "%s is served by %.8s and by %.8s", s->id, other->epoch,
                         a->epoch);
    }
    INVARIANT(known || s->used_count < USED_PODS);
    if (!known)
        s->used[s->used_count++] = a;
}

static struct json_t *spec_of(const struct sim_pod *p)
{
    struct err err;
    const char *text =
        json_get_text(json_at(p->object, "metadata", "annotations", NULL), "spillway.dev/spec", "");
    return json_parse_object(slice_of(text), &err);
}

/* When its gateway asked what had been before: a create may take long from there. */
static int64_t decided_ms(const struct sim_agent *a)
{
    const struct sim_history *h = seen.history;
    int64_t at_ms = a->made_ms;
    const struct sim_pod *p;
    DL_FOREACH(h->sites[site_at(a->process.place)]->cluster->pods, p)
    {
        if (p->agent != a)
            continue;
        struct json_t *spec = spec_of(p);
        int64_t created_ms = json_int(json_get(spec, "created_ms"), 0) - sim_wall() + sim_now();
        json_free(spec);
        at_ms = created_ms - (h->skewed ? SKEW_MS : 0);
        at_ms = p->began_ms < at_ms ? p->began_ms : at_ms;
    }
    return at_ms;
}

/* Across incarnations a result or a tombstone says that it ran, and a record where, if elsewhere.
 * The store has lost that since, or there was none to tell, or none to ask when the later life was
 * begun. */
static bool was_forgotten(const struct execution *e, const struct sim_agent *a,
                          const char *execution_id)
{
    const struct sim_history *h = seen.history;
    int there = site_at(e->agent->process.place);
    char result[80];
    snprintf(result, sizeof(result), "x:%s", execution_id);
    bool kept = is_stored(h->sites[there], a->session_id, result) ||
                is_stored(h->sites[there], a->session_id, "t");
    if (there != site_at(a->process.place))
        kept = kept && is_stored(h->sites[0], a->session_id, "r");
    return h->redis_lost_ms >= e->first_ms ||
           h->redis_away_ms >= (kept ? decided_ms(a) : e->first_ms);
}

void sim_property_submitted(const struct sim_agent *a, const char *execution_id)
{
    struct execution *e = execution_of(a->session_id, execution_id);
    sim_trace("%s epoch %.8s: runs %s", a->process.name, a->epoch, execution_id);
    check_one_pod(a);
    e->last = a;
    if (e->submissions++ == 0) {
        e->first_ms = sim_now();
        snprintf(e->epoch, sizeof(e->epoch), "%s", a->epoch);
        e->agent = a;
        return;
    }
    bool same_pod = e->agent == a;
    if (same_pod || !was_forgotten(e, a, execution_id))
        sim_violated("at most once", "%s runs again, first in %.8s, now in %.8s", e->key, e->epoch,
                     a->epoch);
}

void sim_property_accepted(const char *session, const char *execution_id)
{
    struct execution *e = execution_of(session, execution_id);
    e->accepted = true;
    if (e->submissions == 0)
        sim_violated("accepted", "%s was accepted, and no agent has it", e->key);
    life_of(session)->promised_ms[site_at(e->last->process.place)] = sim_now();
}

void sim_property_result(const char *session, const char *execution_id, bool as_it_ran)
{
    struct execution *e = execution_of(session, execution_id);
    if (e->submissions == 0)
        sim_violated("result", "%s has a result and never ran", e->key);
    if (!as_it_ran)
        sim_violated("result", "%s has another's result", e->key);
}

void sim_property_no_result(const char *session, const char *execution_id, const char *what)
{
    const struct sim_history *h = seen.history;
    const struct execution *e = execution_of(session, execution_id);
    int64_t slack_ms = h->skewed ? SKEW_MS : SLACK_MS;
    bool over = e->agent && sim_wall() + slack_ms > e->agent->deadline_ms;
    bool excused = (e->agent && e->agent->lost) || over || h->redis_away_ms >= e->first_ms;
    if (!excused)
        sim_violated("result", "%s of %s was accepted and is %s", execution_id, session, what);
}

void sim_property_unanswered(const char *session)
{
    sim_violated("answered once", "a call for %s got no answer", session);
}

/* -- pods -- */

void sim_property_pod_lost(const struct sim_pod *p)
{
    if (p->agent)
        p->agent->lost = true;
}

static int64_t deadline_of(const struct sim_pod *p)
{
    int64_t at = 0;
    const char *text = json_get_text(json_at(p->object, "metadata", "annotations", NULL),
                                     "spillway.dev/deadline", "");
    return kube_time_parse(text, &at) ? at : 0;
}

/* Its own rules say when a session ends: by then its agent has done nothing for so long. */
static bool is_due(const struct sim_pod *p)
{
    const struct activity *v = &p->agent->activity;
    struct json_t *spec = spec_of(p);
    bool once = strcmp(json_get_text(spec, "cleanup", ""), "completion") == 0 && v->submitted > 0;
    int64_t most_ms = once ? json_int(json_get(spec, "linger_ms"), 0)
                           : json_int(json_get(spec, "idle_timeout_seconds"), 0) * 1000;
    json_free(spec);
    return v->quiesced && activity_idle_ms(v, sim_now()) + SLACK_MS >= most_ms;
}

/* It is at two sites, and when it was started here its record could not be asked for. */
static bool is_one_too_many(const struct sim_pod *p)
{
    const struct sim_history *h = seen.history;
    bool elsewhere = false;
    for (int i = 0; i < h->site_count; i++) {
        const struct sim_cluster *c = h->sites[i]->cluster;
        const struct sim_pod *q;
        DL_FOREACH(c->pods, q)
        elsewhere |= c != p->cluster && strcmp(q->name, p->name) == 0 && !q->over;
    }
    return elsewhere && h->redis_away_ms >= p->agent->made_ms;
}

void sim_property_deleted(const struct sim_pod *p)
{
    const struct sim_agent *a = p->agent;
    int64_t slack_ms = seen.history->skewed ? SKEW_MS : SLACK_MS;
    struct life *s = life_of(p->name);
    bool in_time = sim_wall() + slack_ms < deadline_of(p);
    if (!a || !a->process.alive || !in_time)
        return;
    if (s->deleted_ms >= p->began_ms) /* the agent may not have heard of it: it stalls */
        return;
    if (sim_agent_runs(a) && !a->forced)
        sim_violated("not cut", "the pod of %s is deleted while %d executions run", p->name,
                     a->activity.running);
    if (seen.history->redis_lost_ms >= p->began_ms) /* nor does anybody know that it is in use */
        return;
    /* One that stood still may have been told to start by somebody who gave it up meanwhile; and a
     * gateway that stood still takes for silent who has answered. */
    bool still =
        seen.history->still_until_ms >= a->made_ms || a->process.stalled_until >= a->made_ms;
    bool unheard = a->activity.submitted == 0 && still;
    bool promised = s->promised_ms[site_at(p->cluster->place)] >= p->began_ms;
    if (a->activity.started && promised && !is_due(p) && !unheard && !is_one_too_many(p))
        sim_violated("kept", "%s epoch %.8s is ended, and nobody asked for that", p->name,
                     p->epoch);
}

void sim_property_promised(const char *session, const char *site)
{
    const struct sim_history *h = seen.history;
    for (int i = 0; i < h->site_count; i++) {
        if (strcmp(h->sites[i]->name, site) == 0)
            life_of(session)->promised_ms[i] = sim_now();
    }
}

void sim_property_delete_asked(const char *session)
{
    life_of(session)->deleted_ms = sim_now();
}

static int used_slots(const struct sim_cluster *c)
{
    const struct sim_pod *p;
    int n = 0;
    DL_FOREACH(c->pods, p)
    n += !p->over;
    return n;
}

/* Behind its gateway's back: that had given the create up, and the slot that it had reserved; or it
 * was sent here by one that did not see its own cluster, with all the others that could not. */
static bool is_unforeseen(const struct sim_pod *p)
{
    struct err err;
    const char *text =
        json_get_text(json_at(p->object, "metadata", "annotations", NULL), "spillway.dev/spec", "");
    struct json_t *spec = json_parse_object(slice_of(text), &err);
    int64_t decided_ms = json_int(json_get(spec, "created_ms"), sim_wall());
    bool blind = strcmp(json_get_text(spec, "placement_reason", ""), "local_unknown") == 0;
    json_free(spec);
    return blind || sim_wall() - decided_ms > LATE_MS;
}

void sim_property_pod_made(const struct sim_pod *p)
{
    const struct sim_history *h = seen.history;
    const struct sim_cluster *c = p->cluster;
    int most = c->nodes * c->slots, used = used_slots(c), lives = 0, gateways = 0;
    if (!p->is_session)
        return;
    seen.history->unforeseen |= is_unforeseen(p);
    if (h->others || h->unforeseen)
        return;
    for (int i = 0; i < h->site_count; i++) {
        for (int k = 0; h->sites[i]->cluster == c && k < h->sites[i]->gateway_count; k++)
            lives += h->sites[i]->gateways[k].lives;
        gateways += h->sites[i]->cluster == c ? h->sites[i]->gateway_count : 0;
    }
    /* With a view that is later than a reservation lasts behind its pod each gateway may take one
     * slot that another takes too; without a store its share, which those that have one do not see
     * at once; behind a long stall whatever it saw before. */
    int share = h->redis_troubled && most / gateways > 1 ? most / gateways : 1;
    if (h->still_until_ms > 0)
        share = most;
    if (h->redis_troubled || h->late_views)
        most += (lives - 1) * share;
    if (used > most)
        sim_violated("capacity", "%s holds %d pods on %d slots", c->name, used,
                     c->nodes * c->slots);
}

/* -- what clients are told of sessions -- */

/* A gateway may hold for a while what it heard last, and what was placed without a store is found
 * by chance. */
static bool is_known_to_live(const struct sim_agent *a)
{
    const struct sim_history *h = seen.history;
    return a->process.alive && a->activity.started && !a->activity.quiesced &&
           a->process.stalled_until < a->made_ms && sim_now() - a->made_ms > TOLD_MS &&
           h->redis_away_ms < a->made_ms && h->redis_lost_ms < a->made_ms;
}

/* A create that was given up may come up for nobody; it goes when it has been idle. */
void sim_property_told_over(const char *session)
{
    const struct life *s = life_of(session);
    for (int i = 0; i < seen.history->site_count; i++) {
        const struct sim_cluster *c = seen.history->sites[i]->cluster;
        const struct sim_pod *p;
        DL_FOREACH(c->pods, p)
        if (p->agent && strcmp(p->name, session) == 0 && is_known_to_live(p->agent) &&
            s->promised_ms[i] >= p->began_ms)
            sim_violated("old end", "%s is told to be over, and lives: epoch %.8s at %s", session,
                         p->epoch, c->name);
    }
}

/* -- hops -- */

void sim_property_serve(struct http_exchange *x, void *user)
{
    struct sim_gateway *n = user;
    const struct http_head *head = http_exchange_head(x);
    struct slice origin = http_head_get(head, "Spillway-Origin");
    struct slice hop = http_head_get(head, "Spillway-Hop");
    if (origin.at && slice_eq(origin, n->site->name))
        sim_violated("one hop", "%.*s came back to %s", SLICE_ARG(head->target), n->site->name);
    if (origin.at && !slice_eq(hop, "1"))
        sim_violated("one hop", "%.*s makes hop %.*s", SLICE_ARG(head->target), SLICE_ARG(hop));
    api_serve(x, &n->g);
}

/* -- decisions -- */

void __real_decision_make(const struct decision_input *in, struct decision *out);
void __wrap_decision_make(const struct decision_input *in, struct decision *out);

void __wrap_decision_make(const struct decision_input *in, struct decision *out)
{
    const struct sim_process *p = sim_world_current();
    __real_decision_make(in, out);
    if (out->kind == DECISION_LOCAL && sim_now() - p->heard_cluster_ms > SNAPSHOT_MS)
        sim_violated("snapshot", "%s decides by what it heard %lld ms ago", p->name,
                     (long long)(sim_now() - p->heard_cluster_ms));
}

/* -- after every step -- */

void sim_property_after_step(void)
{
    const struct sim_history *h = seen.history;
    for (int i = 0; i < h->site_count; i++) {
        for (int k = 0; k < h->sites[i]->gateway_count; k++) {
            const struct sim_gateway *n = &h->sites[i]->gateways[k];
            if (sim_gateway_lives(n) && sim_loop_armed(n->g.loop) > TIMERS_MAX)
                sim_violated("queues", "%s has %zu timers", n->name, sim_loop_armed(n->g.loop));
        }
    }
}
