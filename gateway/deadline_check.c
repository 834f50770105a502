#include "gateway/deadline_check.h"

#include "base/mem.h"
#include "base/world.h"
#include "clusters/kube_client.h"
#include "clusters/kube_store.h"
#include "gateway/ending.h"
#include "gateway/gateway.h"
#include "gateway/session.h"
#include "gateway/site_clock.h"

#include <stdlib.h>

/* An API server that does not answer for so long cannot have moved the deadline either. */
#define UNHEARD_MS 15000

struct deadline_check {
    struct gateway *g;
    struct session *s; /* referenced */
    struct kube_call *call;
};

static void judge(struct gateway *g, struct session *s, const struct kube_result *r)
{
    int64_t over_ms = -session_left_ms(s, world_now_ms(g->world), site_clock_ms(g));
    bool unheard = r->err && r->err->code != ERR_NOT_FOUND;
    if (session_is_over(s) || s->ending || s->pod_gone || over_ms < (unheard ? UNHEARD_MS : 0))
        return;
    ending_start(g, s, ENDING_DEADLINE);
}

static void on_pod(const struct kube_result *r, void *user)
{
    struct deadline_check *c = user;
    c->s->deadline_check = NULL;
    if (!r->err)
        kube_store_learn(c->g->store, r->object); /* the session sees it */
    judge(c->g, c->s, r);
    session_unref(c->s);
    free(c);
}

void deadline_check_start(struct gateway *g, struct session *s)
{
    if (s->deadline_check)
        return;
    struct deadline_check *c = mem_alloc(sizeof(*c));
    *c = (struct deadline_check){.g = g, .s = session_ref(s)};
    s->deadline_check = c;
    c->call = kube_pod_get(g->kube, s->pod_name, on_pod, c);
}

void deadline_check_cancel(struct session *s)
{
    struct deadline_check *c = s->deadline_check;
    if (!c)
        return;
    s->deadline_check = NULL;
    kube_call_cancel(&c->call);
    session_unref(c->s);
    free(c);
}
