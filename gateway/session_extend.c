/* session_extend.c - POST …/extend: moves a session's hard end, on its pod and in its agent.
 *
 * The pod's annotation is the deadline that clients see and gateways end by. Longer: the agent
 * first, so that a call that fails half-way leaves the old deadline in force. Shorter: the pod
 * first. An agent left with another timer is told again by its tender, until it hears. */
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "clusters/kube_client.h"
#include "clusters/kube_store.h"
#include "gateway/agent_call.h"
#include "gateway/locate.h"
#include "gateway/request.h"
#include "gateway/session_table.h"
#include "gateway/session_view.h"
#include "gateway/sessions_api.h"
#include "gateway/site_clock.h"
#include "gateway/tender.h"

#include <stdio.h>

#define AGENT_MS  3000
#define TRIES_MAX 4
#define AGAIN_MS  100
#define WORTH_MS  2000 /* that is left, or it is not tried again */

static void reply_extended(struct request *r)
{
    struct session *s = r->s;
    session_table_changed(r->g->sessions, s);
    struct json_t *view = session_view(s, r->g->conf.site);
    if (s->tender)
        tender_poke(s->tender);
    request_reply_json(r, 200, view);
}

static void tell_agent(struct request *r, agent_call_done_f *then)
{
    char body[64];
    int64_t left_ms = r->deadline_wall_ms - site_clock_ms(r->g);
    snprintf(body, sizeof(body), "{\"deadline_ms\":%lld}", (long long)(left_ms > 1 ? left_ms : 1));
    const struct agent_call_request req = {.method = HTTP_METHOD_POST,
                                           .target = "/v1/deadline",
                                           .body = slice_of(body),
                                           .total_ms = AGENT_MS};
    r->call = agent_call_start(r->g, r->s, &req, then, r);
}

/* -- the pod -- */

static void patch(struct request *r);

/* What the cluster says is for the log: it names what is nobody's business. */
static void reply_failed(struct request *r, const struct kube_result *result)
{
    enum err_code code = result->err->code;
    bool retries = code == ERR_UNAVAILABLE || code == ERR_OVERLOADED || code == ERR_CONFLICT;
    LOG(LOG_WARN, "extend_failed", KV("session", r->id), KV("error", result->err->msg));
    if (result->status == 0 && result->outcome_unknown)
        request_problemf(r, ERR_DEADLINE,
                         "the cluster did not answer in time: whether the deadline has moved is "
                         "seen from expires_at");
    else if (retries)
        request_problemf(r, ERR_UNAVAILABLE, "the cluster does not move the deadline now");
    else
        request_problemf(r, ERR_INTERNAL, "the cluster refused to move the deadline");
}

static void reply_ended(struct request *r)
{
    request_problemf(r, ERR_SESSION_ENDED, "the session '%s' has ended", r->id);
}

/* Who refused a shorter life ends by it nevertheless: the pod says when. */
static void on_shortened(int status, struct slice body, const struct err *err, void *user)
{
    struct request *r = user;
    (void)body;
    r->call = NULL;
    if ((err || status != 200) && r->s->tender)
        tender_mend_deadline(r->s->tender);
    reply_extended(r);
}

static void on_looked(const struct kube_result *result, void *user)
{
    struct request *r = user;
    const char *uid = json_get_text(json_get(result->object, "metadata"), "uid", "");
    bool same = strcmp(uid, r->s->pod_uid) == 0;
    if (!result->err)
        kube_store_learn(r->g->store, result->object);
    if (result->err && result->err->code != ERR_NOT_FOUND)
        reply_failed(r, result);
    else if (result->err || !same)
        reply_ended(r);
    else
        patch(r);
}

/* Another pod has the name, or somebody else wrote to ours just then. */
static void look(struct request *r)
{
    (void)kube_pod_get(r->g->kube, r->s->pod_name, on_looked, r);
}

static void on_patched(const struct kube_result *result, void *user)
{
    struct request *r = user;
    enum err_code code = result->err ? result->err->code : ERR_NONE;
    bool again = code != ERR_NONE && ++r->tries < TRIES_MAX && request_left_ms(r) > WORTH_MS;
    if (code == ERR_NOT_FOUND) {
        reply_ended(r);
    } else if (code == ERR_CONFLICT && again) {
        look(r);
    } else if ((code == ERR_UNAVAILABLE || code == ERR_OVERLOADED) && again) {
        request_sleep(r, AGAIN_MS * r->tries, patch);
    } else if (code != ERR_NONE) {
        reply_failed(r, result);
    } else {
        kube_store_learn(r->g->store, result->object);
        if (r->shortens && session_is_started(r->s))
            tell_agent(r, on_shortened);
        else
            reply_extended(r); /* the agent knows, or its start will carry it */
    }
}

/* The uid: not another incarnation's pod, which may have the name by now. */
static void patch(struct request *r)
{
    char text[32];
    kube_time_print(r->deadline_wall_ms, text);
    struct json_t *body = json_build("{s:{s:s,s:{s:s}}}", "metadata", "uid", r->s->pod_uid,
                                     "annotations", "spillway.dev/deadline", text);
    (void)kube_pod_patch(r->g->kube, r->s->pod_name, body, request_left_ms(r), on_patched, r);
    json_free(body);
}

/* -- the order: at no time does the agent's timer end what the pod says is to live -- */

static void on_lengthened(int status, struct slice body, const struct err *err, void *user)
{
    struct request *r = user;
    struct err problem;
    r->call = NULL;
    if (err) {
        request_problem(r, err);
    } else if (status != 200) {
        agent_call_problem(status, body, &problem);
        request_problem(r, &problem);
    } else {
        patch(r);
    }
}

static void move_deadline(struct request *r)
{
    r->shortens = r->deadline_wall_ms < r->s->deadline_wall_ms;
    if (!r->shortens && session_is_started(r->s))
        tell_agent(r, on_lengthened);
    else
        patch(r);
}

static int read_seconds(const struct request *r, int64_t *out_s, struct err *err)
{
    if (request_check_json(r, err) < 0)
        return -ERR_UNSUPPORTED_MEDIA_TYPE;
    int64_t max_s = r->g->conf.limits.session_max_ms / 1000;
    struct json_t *j = json_parse_object(buf_slice(&r->body), err);
    const struct json_t *value = json_get(j, "timeout_seconds");
    int rc = j ? 0 : -ERR_BAD_JSON;
    *out_s = json_int(value, 0);
    if (rc == 0 && (json_count(j) != 1 || !json_is_integer(value) || *out_s < 1))
        rc = err_set(err, ERR_INVALID_ARGUMENT,
                     "the body is {\"timeout_seconds\": n} with a whole number of at least 1");
    else if (rc == 0 && *out_s > max_s)
        rc = err_set(err, ERR_LIMIT_EXCEEDED, "timeout_seconds: the maximum is %lld",
                     (long long)max_s);
    json_free(j);
    return rc;
}

static void extend_located(struct request *r, const struct located *where)
{
    struct err err;
    int64_t seconds;
    if (!request_takes_living(r, where))
        return;
    struct session *s = where->session;
    int64_t max_ms = r->g->conf.limits.session_max_ms;
    if (session_state(s) == SESSION_STOPPING || s->ending) {
        request_problemf(r, ERR_SESSION_ENDED, "the session '%s' is stopping", r->id);
    } else if (session_state(s) == SESSION_PENDING) {
        request_problemf(r, ERR_SESSION_NOT_READY, "the session '%s' is not there yet", r->id);
    } else if (read_seconds(r, &seconds, &err) < 0) {
        request_problem(r, &err);
    } else {
        int64_t deadline = site_clock_ms(r->g) + seconds * 1000;
        /* The pod's own backstop counts from its creation and cannot be moved. */
        if (s->created_wall_ms > 0 && deadline > s->created_wall_ms + max_ms) {
            request_problemf(r, ERR_LIMIT_EXCEEDED, "a session lives at most %lld seconds in all",
                             (long long)(max_ms / 1000));
            return;
        }
        r->s = session_ref(s);
        r->deadline_wall_ms = deadline;
        move_deadline(r);
    }
}

static void with_body(struct request *r)
{
    request_locate(r, extend_located);
}

void sessions_api_extend(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct gateway *g = user;
    struct request *r = request_open(g, x, m, m->params[0], REQUEST_TENANT | REQUEST_READY);
    if (r)
        request_collect(r, (size_t)g->conf.limits.create_body_bytes, with_body);
}
