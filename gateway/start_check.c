#include "gateway/start_check.h"

#include "base/mem.h"
#include "clusters/kube_client.h"
#include "clusters/kube_store.h"
#include "gateway/ending.h"
#include "gateway/gateway.h"
#include "gateway/remote_placement.h"
#include "gateway/session.h"
#include "gateway/watermark_view.h"
#include "watermark/watermark_feed.h"

#include <stdlib.h>

struct start_check {
    struct gateway *g;
    struct session *s; /* referenced */
    enum decision_reason why;
    struct kube_call *call;
};

/* Two gateways that took the last slot at once are no news to the watermark: it counts the pod that
 * waits. But where it sees room and the scheduler none, the scheduler knows better. */
static void note_refusal(struct gateway *g)
{
    struct watermark_view w;
    watermark_view_take(g, &w);
    if (w.local.slots > 0)
        watermark_feed_refused(g->feed);
}

static void give_up(struct gateway *g, struct session *s, enum decision_reason why)
{
    bool unschedulable = why == DECISION_REASON_UNSCHEDULABLE;
    if (unschedulable)
        note_refusal(g);
    if (!remote_placement_move(g, s, why))
        ending_start(g, s, unschedulable ? ENDING_UNSCHEDULABLE : ENDING_START_FAILED);
}

static void judge(const struct start_check *c, const struct kube_result *r)
{
    struct session *s = c->s;
    bool unheard = r->err && r->err->code != ERR_NOT_FOUND;
    bool came_up = s->pod_ready || session_is_started(s);
    bool bound = c->why == DECISION_REASON_UNSCHEDULABLE && s->unschedulable_since_ms == 0;
    bool settled = session_is_over(s) || s->ending || s->handover || s->pod_gone;
    if (!unheard && !came_up && !bound && !settled)
        give_up(c->g, s, c->why);
}

static void on_pod(const struct kube_result *r, void *user)
{
    struct start_check *c = user;
    c->s->start_check = NULL;
    if (!r->err)
        kube_store_learn(c->g->store, r->object); /* the session sees it */
    judge(c, r);
    session_unref(c->s);
    free(c);
}

void start_check_start(struct gateway *g, struct session *s, enum decision_reason why)
{
    if (s->start_check)
        return;
    struct start_check *c = mem_alloc(sizeof(*c));
    *c = (struct start_check){.g = g, .s = session_ref(s), .why = why};
    s->start_check = c;
    c->call = kube_pod_get(g->kube, s->pod_name, on_pod, c);
}

void start_check_cancel(struct session *s)
{
    struct start_check *c = s->start_check;
    if (!c)
        return;
    s->start_check = NULL;
    kube_call_cancel(&c->call);
    session_unref(c->s);
    free(c);
}
