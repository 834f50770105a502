#include "gateway/contexts_api.h"

#include "base/loop.h"
#include "gateway/agent_relay.h"
#include "gateway/locate.h"
#include "gateway/request.h"
#include "gateway/tender.h"

#include <stdio.h>

#define CALL_MS  10000
#define BODY_MAX ((int64_t)16 * 1024)

static void relay(struct request *r)
{
    char path[128], target[1024];
    struct err err;
    enum http_method method = http_exchange_head(r->x)->method;
    bool one = r->execution_id[0] != '\0';
    snprintf(path, sizeof(path), "/v1/contexts%s%s", one ? "/" : "", r->execution_id);
    if (agent_relay_target(r, path, target, sizeof(target), &err) < 0) {
        request_problem(r, &err);
        return;
    }
    const struct agent_relay how = {.method = method,
                                    .target = target,
                                    .head_ms = CALL_MS,
                                    .total_ms = CALL_MS,
                                    .body_max = method == HTTP_METHOD_POST ? BODY_MAX : 0};
    agent_relay_start(r, r->s, &how);
}

static void relay_when_ready(struct request *r)
{
    struct session *s = r->s;
    if (session_is_usable(s)) {
        tender_start(r->g, s); /* does nothing where it is tended */
        relay(r);
    } else if (session_is_over(s) || session_state(s) == SESSION_STOPPING) {
        request_problemf(r, ERR_SESSION_ENDED, "the session '%s' has ended", r->id);
    } else if (r->timed_out) {
        request_problemf(r, ERR_SESSION_NOT_READY, "the session is still %s",
                         session_state_word(session_state(s)));
    } else {
        if (session_state(s) != SESSION_PENDING)
            tender_start(r->g, s);
        request_wait(r, s, relay_when_ready);
    }
}

static void fresh(struct request *r)
{
    r->until_ms = r->begun_ms + r->g->conf.limits.ready_wait_ms;
    relay_when_ready(r);
}

static void located(struct request *r, const struct located *where)
{
    if (request_takes_living(r, where))
        request_fresh(r, where->session, fresh);
}

void contexts_api_all(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct request *r = request_open(user, x, m, m->params[0], REQUEST_TENANT | REQUEST_READY);
    if (r)
        request_locate(r, located);
}

void contexts_api_one(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct request *r = request_open(user, x, m, m->params[0], REQUEST_TENANT | REQUEST_READY);
    struct err err;
    if (!r)
        return;
    if (session_id_check_name(m->params[1], "a context id", r->execution_id, &err) < 0)
        request_problem(r, &err);
    else
        request_locate(r, located);
}
