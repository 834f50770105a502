#include "gateway/sandbox_call.h"

#include "base/loop.h"
#include "gateway/agent_relay.h"
#include "gateway/locate.h"
#include "gateway/tender.h"

#include <stdio.h>

#define TARGET_SIZE ((size_t)10 * 1024)  /* above what a request line may hold */
#define FORM_BYTES  ((int64_t)64 * 1024) /* around the file, as the agent has it */

static void relay(struct request *r)
{
    const struct sandbox_call *call = r->sandbox_call;
    char path[TARGET_SIZE], target[TARGET_SIZE];
    struct err err;
    int len = snprintf(path, sizeof(path), "%s%.*s", call->path, SLICE_ARG(r->rest));
    INVARIANT(len > 0 && (size_t)len < sizeof(path));
    if (agent_relay_target(r, path, target, sizeof(target), &err) < 0) {
        request_problem(r, &err);
        return;
    }
    const struct agent_relay how = {.method = http_exchange_head(r->x)->method,
                                    .target = target,
                                    .head_ms = call->head_ms,
                                    .total_ms = call->total_ms,
                                    .body_max = call->takes_file
                                                    ? r->g->conf.limits.upload_bytes + FORM_BYTES
                                                    : call->body_max};
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
    int64_t ready_ms = r->sandbox_call->ready_ms;
    r->until_ms = r->begun_ms + (ready_ms ? ready_ms : r->g->conf.limits.ready_wait_ms);
    relay_when_ready(r);
}

static void located(struct request *r, const struct located *where)
{
    if (request_takes_living(r, where))
        request_fresh(r, where->session, fresh);
}

void sandbox_call_go(struct request *r, const struct sandbox_call *call, struct slice rest)
{
    r->sandbox_call = call;
    r->rest = rest;
    request_locate(r, located);
}

void sandbox_call_start(struct http_exchange *x, const struct http_route_match *m,
                        struct gateway *g, const struct sandbox_call *call, struct slice rest)
{
    struct request *r = request_open(g, x, m, m->params[0], REQUEST_TENANT | REQUEST_READY);
    if (r)
        sandbox_call_go(r, call, rest);
}
