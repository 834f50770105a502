#include "gateway/agent_relay.h"

#include "base/loop.h"
#include "gateway/agent_call.h"
#include "gateway/gateway_metrics.h"
#include "gateway/session_table.h"
#include "gateway/site_clock.h"
#include "gateway/tender.h"
#include "http/http_reply.h"
#include "http/relay.h"

int agent_relay_target(const struct request *r, const char *path, char *out, size_t size,
                       struct err *err)
{
    struct slice query = http_exchange_head(r->x)->query;
    size_t len = strlen(path);
    if (len + query.len + 2 > size)
        return err_set(err, ERR_BAD_REQUEST, "the query is too long");
    memcpy(out, path, len);
    if (query.len > 0) {
        out[len++] = '?';
        memcpy(out + len, query.at, query.len);
        len += query.len;
    }
    out[len] = '\0';
    return 0;
}

static void on_head(struct http_exchange *x, const struct http_head *head, void *user)
{
    (void)x;
    (void)head;
    request_say_where(user);
}

/* The agent has the code: from here on the execution counts. */
static void on_exec_head(struct http_exchange *x, const struct http_head *head, void *user)
{
    struct request *r = user;
    char eid[EXECUTION_ID_SIZE];
    struct err ignored;
    struct slice field = http_head_get(head, "Spillway-Execution-Id");
    on_head(x, head, user);
    if (head->status / 100 != 2 || session_id_check_name(field, "execution id", eid, &ignored) < 0)
        return;
    session_see_execution(r->s, eid, head->status == 202, site_clock_ms(r->g));
    session_table_changed(r->g->sessions, r->s);
    gateway_metrics_execution(r->g->metrics, r->language);
    tender_start(r->g, r->s);
}

static void on_done(int status, const struct err *err, bool sent, void *user)
{
    (void)sent;
    request_done(user, status > 0 ? status : err_http_status(err ? err->code : ERR_UPSTREAM));
}

/* Whether the code began is known only where nothing of it went out. */
void agent_relay_tell_unknown(struct err *err)
{
    if (err->code == ERR_DEADLINE)
        err_set(err, ERR_DEADLINE,
                "the sandbox did not answer in time, and may have the code: asked again with the "
                "same execution_id it runs once at most");
}

static void on_exec_fail(struct err *err, bool sent, void *user)
{
    (void)user;
    if (sent)
        agent_relay_tell_unknown(err);
    else
        agent_call_tell_unsent(err);
    if (err->code == ERR_UPSTREAM || err->code == ERR_OVERLOADED)
        err_wrap(err, "the sandbox");
}

/* What the sandbox, or the way to it, is to blame for says so. */
static void on_fail(struct err *err, bool sent, void *user)
{
    (void)sent;
    (void)user;
    if (err->code == ERR_UPSTREAM || err->code == ERR_DEADLINE || err->code == ERR_OVERLOADED)
        err_wrap(err, "the sandbox");
}

static void run_step(void *user)
{
    struct request *r = user;
    r->step(r);
}

static bool declines(const struct http_head *head, void *user)
{
    struct request *r = user;
    bool unknown = head->status == 404 && r->again_step;
    if (head->status != err_http_status(ERR_GONE) && !unknown)
        return false;
    if (unknown)
        r->step = r->again_step;
    loop_defer(r->g->loop, run_step, r);
    return true;
}

void agent_relay_start(struct request *r, struct session *s, const struct agent_relay *how)
{
    static const struct relay_events PLAIN = {
        .on_head = on_head, .on_done = on_done, .on_fail = on_fail};
    static const struct relay_events EXEC = {
        .on_head = on_exec_head, .on_done = on_done, .on_fail = on_exec_fail};
    static const struct relay_events OR_ELSE = {
        .on_head = on_head, .on_done = on_done, .on_fail = on_fail, .declines = declines};
    const struct relay_events *events = how->if_gone ? &OR_ELSE : &PLAIN;
    char authorization[AGENT_CALL_AUTHORIZATION_SIZE];
    agent_call_authorization(r->g, s, authorization);
    const struct http_header fields[] = {{slice_of("Authorization"), slice_of(authorization)}};
    const struct relay_request req = {.method = how->method,
                                      .target = slice_of(how->target),
                                      .headers = fields,
                                      .header_count = 1,
                                      .head_ms = how->head_ms,
                                      .total_ms = how->total_ms,
                                      .body_max = how->body_max};
    r->body_taken = true;
    if (r->s != s) {
        if (r->s)
            session_unref(r->s);
        r->s = session_ref(s);
    }
    if (how->if_gone)
        r->step = how->if_gone;
    r->again_step = how->if_unknown;
    relay_start(r->x, r->g->agents, &s->agent, &req, how->is_exec ? &EXEC : events, r);
}
