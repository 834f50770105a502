#include "gateway/sweeper.h"

#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "clusters/kube_store.h"
#include "gateway/agent_call.h"
#include "gateway/ending.h"
#include "gateway/gateway.h"
#include "gateway/gateway_metrics.h"
#include "gateway/remote_placement.h"
#include "gateway/remote_session.h"
#include "gateway/session_table.h"
#include "gateway/site_clock.h"
#include "gateway/start_check.h"
#include "gateway/tender.h"
#include "router/peers.h"

#include <stdlib.h>
#include <utlist.h>

#define PERIOD_MS         1500
#define JITTER_MS         1000
#define PROBE_MS          2000
#define PROBES_PER_SWEEP  200
#define UNTENDED_OWN_MS   3000 /* a tender that lives is away for milliseconds only */
#define UNTENDED_ANY_MS   8000
#define OTHERS_PERIOD_MS  6000 /* how often sessions are looked at whose duty is another's */
#define DEADLINE_GRACE_MS 5000
#define START_GRACE_MS    5000

struct sweeper {
    struct gateway *g;
    struct timer *timer;
    struct probe *asking; /* on their way */
    int probes;           /* begun in this sweep */
};

static bool own(const struct sweeper *w, const struct session *s)
{
    return peers_own_duty(w->g->peers, s->id);
}

static void take_over(struct gateway *g, struct session *s, int64_t untended_ms)
{
    LOG(LOG_INFO, "session_taken_over", KV("session", s->id), KV("untended_ms", untended_ms));
    gateway_metrics_takeover(g->metrics);
    tender_start(g, s);
}

/* -- asking the agent who tends -- */

struct probe {
    struct probe *prev, *next;
    struct sweeper *w;
    struct session *s; /* referenced; s->probe is the call */
};

static void free_probe(struct probe *p)
{
    DL_DELETE(p->w->asking, p);
    session_unref(p->s);
    free(p);
}

/* The agent counts from when a tender left; where there never was one (whoever made the pod died at
 * once), we count from when we saw that first. */
static int64_t untended_for(struct session *s, const struct session_activity *a, int64_t now_ms)
{
    if (*a->tender) {
        s->untended_since_ms = 0;
        return a->tended_ms;
    }
    if (s->untended_since_ms == 0)
        s->untended_since_ms = now_ms;
    return now_ms - s->untended_since_ms;
}

static void see_probe(struct sweeper *w, struct session *s, struct session_activity *a)
{
    struct gateway *g = w->g;
    int64_t limit_ms = own(w, s) ? UNTENDED_OWN_MS : UNTENDED_ANY_MS;
    int64_t untended_ms = untended_for(s, a, world_now_ms(g->world));
    bool ours = strcmp(a->epoch, s->epoch) == 0;
    if (!ours || s->tender || s->ending || session_is_over(s)) {
        session_activity_fini(a);
        return;
    }
    if (session_see_activity(s, a, world_now_ms(g->world), site_clock_ms(g)))
        session_table_changed(g->sessions, s);
    if (untended_ms >= limit_ms)
        take_over(g, s, untended_ms);
}

static void on_probed(int status, struct slice body, const struct err *err, void *user)
{
    struct probe *p = user;
    struct session_activity a;
    struct err bad;
    p->s->probe = NULL;
    /* An agent that does not answer is asked again; its pod's end or its deadline settles the rest.
     */
    if (!err && status == 200 && session_activity_parse(&a, body, &bad) == 0)
        see_probe(p->w, p->s, &a);
    free_probe(p);
}

static void probe(struct sweeper *w, struct session *s)
{
    struct probe *p = mem_alloc(sizeof(*p));
    const struct agent_call_request req = {
        .method = HTTP_METHOD_GET, .target = "/v1/activity?wait=0", .total_ms = PROBE_MS};
    p->w = w;
    p->s = session_ref(s);
    s->probed_ms = world_now_ms(w->g->world);
    DL_APPEND(w->asking, p);
    s->probe = agent_call_start(w->g, s, &req, on_probed, p);
    w->probes++;
}

/* -- one session -- */

static bool is_past_deadline(const struct gateway *g, const struct session *s)
{
    return session_left_ms(s, world_now_ms(g->world), site_clock_ms(g)) < -DEADLINE_GRACE_MS;
}

/* Since this gateway knows of it: what others' clocks say is no measure. */
static bool never_started(const struct gateway *g, const struct session *s)
{
    return !s->pod_ran &&
           world_now_ms(g->world) - s->created_ms > g->conf.limits.start_ms + START_GRACE_MS;
}

static bool can_be_asked(const struct session *s)
{
    return s->pod_ready && *s->agent.host && !s->pod_deleting;
}

static void look_at(struct sweeper *w, struct session *s)
{
    struct gateway *g = w->g;
    int64_t now_ms = world_now_ms(g->world);
    int64_t period_ms = own(w, s) ? 0 : OTHERS_PERIOD_MS;
    bool first_look = s->probed_ms == 0;
    if (!first_look && now_ms - s->probed_ms < period_ms)
        return;
    if (s->pod_over && remote_placement_may_come(g, s)) {
        return;
    } else if (s->pod_over) {
        ending_start(g, s, ENDING_POD_OVER);
    } else if (is_past_deadline(g, s) && !(can_be_asked(s) && (first_look || s->probe))) {
        ending_start(g, s, ENDING_DEADLINE);
    } else if (never_started(g, s)) {
        start_check_start(g, s, DECISION_REASON_START_FAILED);
    } else if (can_be_asked(s)) {
        if (!s->probe && w->probes < PROBES_PER_SWEEP)
            probe(w, s);
        return;
    }
    s->probed_ms = now_ms;
}

static bool each(struct session *s, void *user)
{
    if (s->remote) {
        remote_session_sweep(s);
        return true;
    }
    if (!s->handover && !s->tender && !s->ending && session_state(s) != SESSION_PENDING)
        look_at(user, s);
    return true;
}

static void sweep(void *user)
{
    struct sweeper *w = user;
    struct gateway *g = w->g;
    int64_t next_ms = PERIOD_MS + (int64_t)world_random_below(g->world, JITTER_MS);
    w->probes = 0;
    /* What the store does not show for certain is no ground for ending anything. */
    if (kube_store_synced(g->store) && kube_store_connected(g->store))
        session_table_each(g->sessions, each, w);
    timer_start(g->world, w->timer, next_ms, 0);
}

struct sweeper *sweeper_new(struct gateway *g)
{
    struct sweeper *w = mem_alloc(sizeof(*w));
    w->g = g;
    w->timer = timer_new(g->world, sweep, w);
    timer_start(g->world, w->timer, PERIOD_MS, 0);
    return w;
}

void sweeper_free(struct sweeper **sweeper)
{
    struct sweeper *w = *sweeper;
    if (!w)
        return;
    *sweeper = NULL;
    struct probe *p, *next;
    DL_FOREACH_SAFE(w->asking, p, next)
    {
        agent_call_cancel(&p->s->probe);
        free_probe(p);
    }
    timer_free(w->g->world, &w->timer);
    free(w);
}
