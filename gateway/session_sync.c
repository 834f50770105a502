#include "gateway/session_sync.h"

#include "base/log.h"
#include "base/world.h"
#include "clusters/kube_store.h"
#include "gateway/ending.h"
#include "gateway/gateway.h"
#include "gateway/locate.h"
#include "gateway/remote_placement.h"
#include "gateway/remote_session.h"
#include "gateway/session_table.h"
#include "gateway/stray_pods.h"
#include "gateway/tender.h"
#include "router/peers.h"

#include <stdio.h>

static bool is_ours(const struct kube_pod *pod)
{
    return pod && session_id_is_label(slice_of(pod->marks.session_id)) && *pod->marks.epoch;
}

/* A create that was carried out twice makes two pods of one epoch, one behind the other. */
static bool is_of(const struct kube_pod *pod, const struct session *s)
{
    return strcmp(s->epoch, pod->marks.epoch) == 0 &&
           (!*s->pod_uid || strcmp(s->pod_uid, pod->uid) == 0);
}

static void on_gone(struct gateway *g, const struct kube_pod *pod)
{
    struct session *s = session_table_get(g->sessions, pod->marks.session_id);
    /* A session that waits for its own pod meanwhile has another epoch, or an answer to come. */
    if (!s || !is_of(pod, s) || session_state(s) == SESSION_PENDING)
        return;
    upstream_forget(g->agents, &s->agent);
    s->pod_gone = true;
    if (s->handover)
        remote_placement_poke(s->handover);
    else if (s->ending)
        ending_poke(s->ending);
    else
        ending_start(g, s, ENDING_POD_GONE);
}

static struct session *find_or_make(struct gateway *g, const struct kube_pod *pod)
{
    struct session *s = session_table_get(g->sessions, pod->marks.session_id);
    if (s && is_of(pod, s))
        return s;
    if (s && !s->remote && session_state(s) == SESSION_PENDING)
        return NULL; /* its placement will meet this pod by itself */
    if (s && (s->remote || strcmp(s->epoch, pod->marks.epoch) == 0)) {
        if (!pod->terminating)
            stray_pods_look(g, pod);
        return NULL;
    }
    if (s)
        ending_supersede(g, s);
    s = session_new(pod->marks.session_id, pod->marks.tenant, (uint16_t)g->conf.agent_port,
                    world_now_ms(g->world));
    session_adopt_pod(s, pod);
    locate_forget_miss(g, s->id);
    session_table_add(g->sessions, s);
    return s;
}

/* A pod that ended before it was ready may do better elsewhere; whoever made it sees to that. In
 * one that ran another gateway may have submitted code, if this one was late. */
static void see_over(struct gateway *g, struct session *s)
{
    bool began = s->pod_ran || session_is_started(s);
    if (began || !remote_placement_move(g, s, DECISION_REASON_START_FAILED)) {
        if (!remote_placement_may_come(g, s))
            ending_start(g, s, ENDING_POD_OVER);
    }
}

static void on_seen(struct gateway *g, const struct kube_pod *pod)
{
    struct session *s = stray_pods_has(g->strays, pod) ? NULL : find_or_make(g, pod);
    if (!s)
        return;
    if (session_see_pod(s, pod, world_now_ms(g->world)))
        session_table_changed(g->sessions, s);
    if (s->ending)
        ending_poke(s->ending);
    else if (s->handover)
        remote_placement_poke(s->handover);
    else if (s->pod_over && (s->tender || peers_own_duty(g->peers, s->id)))
        see_over(g, s);
    else if (s->tender)
        tender_poke(s->tender);
}

static void on_pod(const struct kube_pod *before, const struct kube_pod *after, void *user)
{
    struct gateway *g = user;
    bool replaced = is_ours(before) && is_ours(after) && strcmp(before->uid, after->uid) != 0;
    if (is_ours(before) && (!after || replaced))
        on_gone(g, before);
    if (is_ours(after))
        on_seen(g, after);
}

void session_sync_again(struct gateway *g, const char *id)
{
    const struct kube_pod *pod = kube_store_session(g->store, id);
    if (is_ours(pod))
        on_seen(g, pod);
}

void session_sync_start(struct gateway *g)
{
    kube_store_subscribe(g->store, on_pod, g);
}
