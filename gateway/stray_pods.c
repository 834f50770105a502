#include "gateway/stray_pods.h"

#include "base/loop.h"
#include "base/mem.h"
#include "clusters/kube_client.h"
#include "clusters/kube_store.h"
#include "gateway/agent_call.h"
#include "gateway/ending.h"
#include "gateway/gateway.h"
#include "gateway/gateway_metrics.h"
#include "gateway/session_sync.h"
#include "gateway/session_table.h"
#include "gateway/stray_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#define PERIOD_MS   500
#define ASK_MS      2000
#define POD_GRACE_S 2

struct stray {
    struct stray *prev, *next;
    struct stray_pods *list;
    struct session *s; /* as the pod says; not in the table */
    bool deleted;
    struct stray_check *check;
    struct agent_call *question;
    struct kube_call *call;
};

struct stray_pods {
    struct gateway *g;
    struct stray *items;
    struct timer *timer;
};

static struct stray *find(const struct stray_pods *l, const char *uid)
{
    struct stray *t;
    DL_FOREACH(l->items, t)
    if (strcmp(t->s->pod_uid, uid) == 0)
        return t;
    return NULL;
}

bool stray_pods_has(const struct stray_pods *l, const struct kube_pod *pod)
{
    return find(l, pod->uid) != NULL;
}

bool stray_pods_has_session(const struct stray_pods *l, const char *id)
{
    const struct stray *t;
    DL_FOREACH(l->items, t)
    if (strcmp(t->s->id, id) == 0 && !t->deleted)
        return true;
    return false;
}

static void drop(struct stray *t)
{
    DL_DELETE(t->list->items, t);
    stray_check_cancel(&t->check);
    agent_call_cancel(&t->question);
    if (t->call)
        kube_call_cancel(&t->call);
    session_unref(t->s);
    free(t);
}

static struct stray *add(struct gateway *g, struct session *s)
{
    struct stray_pods *l = g->strays;
    struct stray *t = mem_alloc(sizeof(*t));
    t->list = l;
    t->s = session_ref(s);
    DL_APPEND(l->items, t);
    timer_start(g->world, l->timer, 0, PERIOD_MS);
    return t;
}

/* -- it goes -- */

static void on_deleted(const struct kube_result *r, void *user)
{
    struct stray *t = user;
    t->call = NULL;
    bool gone = r->err && (r->err->code == ERR_NOT_FOUND || r->err->code == ERR_CONFLICT);
    t->deleted = !r->err || gone;
    if (!r->err)
        gateway_metrics_pod_deleted(t->list->g->metrics, "elsewhere");
}

static void remove_pod(struct stray *t)
{
    struct gateway *g = t->list->g;
    t->call =
        kube_pod_delete(g->kube, t->s->pod_name, t->s->pod_uid, NULL, POD_GRACE_S, on_deleted, t);
}

/* -- does it? -- */

/* Its session has another pod, which is about to be over. */
static bool is_second(const struct stray *t, const struct session *known)
{
    return known && !known->remote && strcmp(known->epoch, t->s->epoch) == 0 && *known->pod_uid &&
           strcmp(known->pod_uid, t->s->pod_uid) != 0;
}

static void take_up(struct stray *t)
{
    struct gateway *g = t->list->g;
    char id[SESSION_ID_SIZE];
    struct session *known = session_table_get(g->sessions, t->s->id);
    if (is_second(t, known))
        return; /* again in the next round */
    snprintf(id, sizeof(id), "%s", t->s->id);
    drop(t);
    if (known && known->remote)
        ending_supersede(g, known);
    session_sync_again(g, id);
}

/* Somebody may have begun to use it while Redis did not answer. */
static void on_asked(int status, struct slice body, const struct err *err, void *user)
{
    struct stray *t = user;
    struct session_activity a;
    struct err bad;
    t->question = NULL;
    if (err || status != 200 || session_activity_parse(&a, body, &bad) < 0)
        return; /* again in the next round */
    bool started = a.started;
    session_activity_fini(&a);
    if (started)
        take_up(t);
    else
        remove_pod(t);
}

static void on_verdict(enum stray_check_verdict v, void *user)
{
    static const struct agent_call_request REQUEST = {
        .method = HTTP_METHOD_GET, .target = "/v1/activity?wait=0", .total_ms = ASK_MS};
    struct stray *t = user;
    bool over = t->s->pod_over; /* nothing in it can be used any more, whoever it belonged to */
    t->check = NULL;
    if (v == STRAY_CHECK_NO && !over)
        take_up(t);
    else if (v != STRAY_CHECK_UNSETTLED && (over || !t->s->pod_ran))
        remove_pod(t);
    else if (v == STRAY_CHECK_YES && t->s->pod_ready)
        t->question = agent_call_start(t->list->g, t->s, &REQUEST, on_asked, t);
}

/* -- all of them -- */

static bool is_busy(const struct stray *t)
{
    return t->deleted || t->check || t->question || t->call;
}

static void look_at(struct stray *t)
{
    struct gateway *g = t->list->g;
    const struct kube_pod *pod = kube_store_session(g->store, t->s->id);
    if (!pod || strcmp(pod->uid, t->s->pod_uid) != 0) {
        drop(t);
        return;
    }
    session_see_pod(t->s, pod, world_now_ms(g->world));
    t->deleted |= pod->terminating;
    if (!stray_check_needed(g, t->s) && !is_busy(t))
        take_up(t);
    else if (!is_busy(t))
        t->check = stray_check_start(g, t->s, on_verdict, t);
}

static void on_timer(void *user)
{
    struct stray_pods *l = user;
    struct stray *t, *next;
    DL_FOREACH_SAFE(l->items, t, next)
    look_at(t);
    if (!l->items)
        timer_stop(l->g->world, l->timer);
}

void stray_pods_look(struct gateway *g, const struct kube_pod *pod)
{
    struct session *s = session_new(pod->marks.session_id, pod->marks.tenant,
                                    (uint16_t)g->conf.agent_port, world_now_ms(g->world));
    session_adopt_pod(s, pod);
    session_see_pod(s, pod, world_now_ms(g->world));
    add(g, s);
    session_unref(s);
}

void stray_pods_remove(struct gateway *g, struct session *s)
{
    session_ref(s);
    ending_supersede(g, s);
    remove_pod(add(g, s));
    session_unref(s);
}

/* -- life -- */

struct stray_pods *stray_pods_new(struct gateway *g)
{
    struct stray_pods *l = mem_alloc(sizeof(*l));
    l->g = g;
    l->timer = timer_new(g->world, on_timer, l);
    return l;
}

void stray_pods_free(struct stray_pods **at)
{
    struct stray_pods *l = *at;
    if (!l)
        return;
    *at = NULL;
    while (l->items)
        drop(l->items);
    timer_free(l->g->world, &l->timer);
    free(l);
}
