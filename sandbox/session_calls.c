#include "sandbox/session_calls.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/http_reply.h"
#include "http/problem.h"
#include "sandbox/agent.h"
#include "sandbox/result_query.h"
#include <stdio.h>
#include <stdlib.h>

#define BODY_MAX        ((size_t)256 * 1024) /* a session's env */
#define DEADLINE_MAX_MS (INT64_C(7) * 86400 * 1000)
#define QUIESCE_WAIT_MS 5000 /* for what a forced end kills */

static struct json_t *unstored(const struct executions *l)
{
    struct json_t *ids = json_new_array();
    for (size_t i = 0; i < l->count; i++)
        if (execution_is_ended(l->items[i]) && !execution_is_stored(l->items[i]))
            json_add(ids, json_new_text(execution_id(l->items[i])));
    return ids;
}

static int64_t since(int64_t then, int64_t now)
{
    return then < 0 ? -1 : now - then;
}

static struct json_t *activity_object(const struct agent *a)
{
    const struct activity *v = &a->activity;
    int64_t now = world_now_ms(a->world);
    struct json_t *j = json_new_object();
    json_set_text(j, "session_id", a->session_id);
    json_set_text(j, "epoch", a->epoch);
    json_set_int(j, "seq", v->seq);
    json_set_bool(j, "started", v->started);
    json_set_bool(j, "quiesced", v->quiesced);
    json_set_int(j, "running", v->running);
    json_set_int(j, "idle_ms", activity_idle_ms(v, now));
    json_set_text(j, "last_execution", v->last_execution[0] ? v->last_execution : NULL);
    json_set_int(j, "last_end_ms", since(v->last_end_ms, now));
    json_set_int(j, "executions", v->submitted);
    json_set(j, "unstored", unstored(&a->executions));
    struct json_t *setup = setup_object(&a->setup);
    if (setup)
        json_set(j, "setup", setup);
    json_set_text(j, "tender", v->tender[0] ? v->tender : NULL);
    json_set_int(j, "tended_ms", activity_tended_ms(v, now));
    json_set_int(j, "deadline_ms", v->deadline_at_ms < 0 ? -1 : v->deadline_at_ms - now);
    return j;
}

static void reply_activity(struct http_exchange *x, const struct agent *a)
{
    http_reply_json(x, 200, activity_object(a));
}

void session_calls_health(struct http_exchange *x, const struct http_route_match *m, void *agent)
{
    (void)m;
    const struct agent *a = agent;
    http_reply_json(x, 200, json_build("{s:s,s:s}", "status", "ok", "epoch", a->epoch));
}

/* -- bodies -- */

typedef int with_object_f(struct http_exchange *x, struct agent *a, const struct json_t *body,
                          struct err *err);

/* Parses the body and lets `fn` answer; a negative return becomes a problem. */
static void with_object(struct http_exchange *x, struct agent *a, struct slice body,
                        const struct err *failed, with_object_f *fn)
{
    if (failed) {
        problem_reply(x, failed);
        return;
    }
    struct err err = {0};
    struct json_t *j = json_parse_object(body, &err);
    int rc = j ? fn(x, a, j, &err) : -ERR_BAD_JSON;
    json_free(j);
    if (rc < 0)
        problem_reply(x, &err);
}

static int check_epoch(const struct agent *a, const struct json_t *body, struct err *err)
{
    const char *epoch = json_get_text(body, "epoch", "");
    if (strcmp(epoch, a->epoch) != 0)
        return err_set(err, ERR_CONFLICT, "this is another incarnation: epoch %s", a->epoch);
    return 0;
}

static int read_deadline(const struct json_t *body, int64_t *out, struct err *err)
{
    *out = json_int(json_get(body, "deadline_ms"), -1);
    if (*out < 1 || *out > DEADLINE_MAX_MS)
        return err_set(err, ERR_INVALID_ARGUMENT, "deadline_ms must be 1 to %lld",
                       (long long)DEADLINE_MAX_MS);
    return 0;
}

/* -- start and deadline -- */

static int start(struct http_exchange *x, struct agent *a, const struct json_t *body,
                 struct err *err)
{
    int rc = check_epoch(a, body, err);
    if (rc < 0)
        return rc;
    if (!a->activity.started && setup_state(&a->setup) == SETUP_NONE) {
        int64_t deadline;
        struct text_list env = {0};
        rc = read_deadline(body, &deadline, err);
        if (rc == 0 && json_get(body, "env"))
            rc = text_list_from_env(json_get(body, "env"), "env", &env, err);
        if (rc < 0)
            return rc;
        text_list_fini(&a->session_env);
        a->session_env = env;
        rc = agent_set_up(a, body, err);
        if (rc < 0)
            return rc;
        agent_set_deadline(a, deadline);
        LOG(LOG_INFO, "started", KV("deadline_ms", deadline));
    }
    reply_activity(x, a);
    return 0;
}

static void on_start_body(struct http_exchange *x, struct slice body, const struct err *err,
                          void *user)
{
    with_object(x, user, body, err, start);
}

void session_calls_start(struct http_exchange *x, const struct http_route_match *m, void *agent)
{
    (void)m;
    http_exchange_collect(x, BODY_MAX, on_start_body, agent);
}

static int set_deadline(struct http_exchange *x, struct agent *a, const struct json_t *body,
                        struct err *err)
{
    int64_t deadline;
    int rc = read_deadline(body, &deadline, err);
    if (rc == 0 && a->activity.quiesced)
        rc = err_set(err, ERR_SESSION_ENDED, "the session has ended");
    if (rc < 0)
        return rc;
    agent_set_deadline(a, deadline);
    reply_activity(x, a);
    return 0;
}

static void on_deadline_body(struct http_exchange *x, struct slice body, const struct err *err,
                             void *user)
{
    with_object(x, user, body, err, set_deadline);
}

void session_calls_deadline(struct http_exchange *x, const struct http_route_match *m, void *agent)
{
    (void)m;
    http_exchange_collect(x, BODY_MAX, on_deadline_body, agent);
}

/* -- activity -- */

struct activity_call {
    struct agent *agent;
    int64_t since;
    char tender[64]; /* "": nobody's */
};

static bool answer_activity(struct http_exchange *x, void *item, bool time_up)
{
    const struct activity_call *c = item;
    const struct activity *v = &c->agent->activity;
    bool taken_over = c->tender[0] && strcmp(c->tender, v->tender) != 0;
    if (!time_up && !taken_over && v->seq <= c->since)
        return false;
    reply_activity(x, c->agent);
    return true;
}

static void activity_call_left(void *item)
{
    struct activity_call *c = item;
    if (c->tender[0])
        activity_tender_leave(&c->agent->activity, c->tender, world_now_ms(c->agent->world));
    free(c);
}

static int read_activity_query(struct slice query, struct activity_call *c, int64_t *wait_s,
                               struct err *err)
{
    int bad = 0;
    int rc = http_query_int(query, "since", 0, INT64_MAX, &c->since, err);
    if (rc == 0)
        rc = http_query_int(query, "wait", 0, RESULT_WAIT_MAX_S, wait_s, err);
    if (rc < 0)
        return rc;
    bool named = http_query_get(query, "tender", c->tender, sizeof(c->tender), &bad);
    if (bad != 0 || (named && !result_query_id_ok(c->tender)))
        return err_set(err, ERR_INVALID_ARGUMENT, "tender must be 1 to 63 of [A-Za-z0-9._-]");
    return 0;
}

void session_calls_activity(struct http_exchange *x, const struct http_route_match *m, void *agent)
{
    (void)m;
    struct agent *a = agent;
    struct err err = {0};
    struct activity_call *c = mem_alloc(sizeof(*c));
    *c = (struct activity_call){.agent = a, .since = -1};
    int64_t wait_s = 0;
    if (read_activity_query(http_exchange_head(x)->query, c, &wait_s, &err) < 0) {
        free(c);
        problem_reply(x, &err);
        return;
    }
    if (c->tender[0]) {
        activity_tender_enter(&a->activity, c->tender);
        agent_changed(a); /* an older tender hears of it */
    }
    long_polls_add(a->polls, x, wait_s * 1000, answer_activity, activity_call_left, c);
}

/* -- quiesce -- */

static bool answer_forced(struct http_exchange *x, void *item, bool time_up)
{
    const struct agent *a = item;
    if (a->activity.running > 0 && !time_up)
        return false;
    if (a->activity.running > 0)
        problem_replyf(x, ERR_BUSY, "%d executions are still being killed", a->activity.running);
    else
        reply_activity(x, a);
    return true;
}

static void force(struct http_exchange *x, struct agent *a, const char *cause)
{
    /* The gateway's clock may be before ours: what it ends then is no cancel. */
    bool is_due = strcmp(cause, "deadline") == 0;
    activity_force_quiesce(&a->activity);
    agent_stop_all(a, is_due ? EXECUTION_BY_DEADLINE : EXECUTION_BY_CANCEL);
    agent_changed(a);
    long_polls_add(a->polls, x, QUIESCE_WAIT_MS, answer_forced, NULL, a);
}

static int quiesce(struct http_exchange *x, struct agent *a, const struct json_t *body,
                   struct err *err)
{
    int rc = check_epoch(a, body, err);
    if (rc < 0)
        return rc;
    if (json_true(json_get(body, "force"))) {
        force(x, a, json_get_text(body, "cause", ""));
        return 0;
    }
    int64_t idle = json_int(json_get(body, "if_idle_ms"), -1);
    if (idle < 0)
        return err_set(err, ERR_INVALID_ARGUMENT, "if_idle_ms must be a number from 0");
    int64_t now = world_now_ms(a->world);
    if (!activity_quiesce(&a->activity, idle, now))
        return err_set(err, ERR_BUSY, "%d executions run, idle for %lld ms", a->activity.running,
                       (long long)activity_idle_ms(&a->activity, now));
    agent_changed(a);
    reply_activity(x, a);
    return 0;
}

static void on_quiesce_body(struct http_exchange *x, struct slice body, const struct err *err,
                            void *user)
{
    with_object(x, user, body, err, quiesce);
}

void session_calls_quiesce(struct http_exchange *x, const struct http_route_match *m, void *agent)
{
    (void)m;
    http_exchange_collect(x, BODY_MAX, on_quiesce_body, agent);
}
