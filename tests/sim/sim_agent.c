#include "sim_agent.h"

#include "base/json.h"
#include "base/mem.h"
#include "http/http_dispatch.h"
#include "http/http_reply.h"
#include "http/problem.h"
#include "sandbox/result_page.h"
#include "sandbox/result_query.h"
#include "sandbox/result_record.h"
#include "sim_address.h"
#include "sim_loop.h"
#include "sim_network.h"
#include "sim_property.h"
#include "sim_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#define BODY_MAX      ((size_t)1024 * 1024)
#define AT_ONCE       4
#define FORCE_WAIT_MS 5000

static int64_t now_ms(void)
{
    return sim_now();
}

static void changed(struct sim_agent *a)
{
    long_polls_wake(a->polls);
}

/* -- executions -- */

static const char *status_of(const struct sim_execution *e)
{
    if (!e->ended)
        return "running";
    return e->killed ? "killed" : "completed";
}

static struct json_t *meta_of(const struct sim_execution *e)
{
    return json_build("{s:s,s:s,s:s,s:s,s:n}", "session_id", e->agent->session_id, "execution_id",
                      e->id, "language", "python", "status", status_of(e), "error");
}

static struct result_source source_of(const struct sim_execution *e, const struct json_t *meta)
{
    struct result_source s = {.meta = meta, .ended = e->ended};
    if (e->ended) {
        s.out.head = slice_of(e->output);
        s.out.total = s.out.head.len;
    }
    s.out.tail[0] = s.out.tail[1] = s.err.head = s.err.tail[0] = s.err.tail[1] = slice_of("");
    return s;
}

static struct sim_execution *find(const struct sim_agent *a, const char *id)
{
    struct sim_execution *e;
    LL_FOREACH(a->executions, e)
    if (strcmp(e->id, id) == 0)
        return e;
    return NULL;
}

static void end_execution(struct sim_execution *e)
{
    e->end = NULL;
    e->ended = true;
    activity_ended(&e->agent->activity, now_ms());
    changed(e->agent);
}

static void on_execution_ended(void *user)
{
    end_execution(user);
}

static void kill_all(struct sim_agent *a)
{
    struct sim_execution *e;
    LL_FOREACH(a->executions, e)
    if (!e->ended) {
        sim_world_cancel(&e->end);
        e->killed = true;
        end_execution(e);
    }
}

bool sim_agent_runs(const struct sim_agent *a)
{
    return a->activity.running > 0;
}

static void set_fields(struct http_exchange *x, const struct sim_execution *e)
{
    http_reply_header(x, "Spillway-Execution-Id", e->id);
    http_reply_header(x, "Spillway-Execution-Status", status_of(e));
}

static void reply_brief(struct http_exchange *x, const struct sim_execution *e)
{
    set_fields(x, e);
    http_reply_json(x, 202, json_build("{s:s,s:s}", "execution_id", e->id, "status", status_of(e)));
}

static void reply_page(struct http_exchange *x, const struct sim_execution *e,
                       const struct result_query *q)
{
    struct err err;
    struct buf body;
    struct json_t *meta = meta_of(e);
    struct result_source source = source_of(e, meta);
    buf_init(&body, BODY_MAX);
    if (result_page_print(&source, q, &body, &err) < 0) {
        problem_reply(x, &err);
    } else {
        set_fields(x, e);
        http_reply(x, 200, "application/json", buf_slice(&body));
    }
    buf_fini(&body);
    json_free(meta);
}

/* -- a call that waits for a result -- */

struct waiting {
    struct sim_execution *e;
    struct result_query q;
    bool submits; /* exec?wait= */
};

static bool answer_waiting(struct http_exchange *x, void *item, bool time_up)
{
    const struct waiting *w = item;
    if (!w->e->ended && !time_up)
        return false;
    if (!w->e->ended && w->submits)
        reply_brief(x, w->e);
    else
        reply_page(x, w->e, &w->q);
    return true;
}

static void wait_for(struct http_exchange *x, struct sim_execution *e, const struct result_query *q,
                     bool submits)
{
    struct waiting *w = mem_alloc(sizeof(*w));
    *w = (struct waiting){e, *q, submits};
    long_polls_add(e->agent->polls, x, q->wait_s * 1000, answer_waiting, free, w);
}

/* -- exec -- */

struct submission {
    struct sim_agent *agent;
    char key[65];
    int64_t wait_s;
};

static void run(struct http_exchange *x, const struct submission *s, const struct json_t *j,
                const char *id, struct slice body)
{
    struct sim_agent *a = s->agent;
    const struct result_query q = {.limit = 65536, .wait_s = s->wait_s};
    struct sim_execution *e = find(a, id);
    if (e && !slice_eq(body, e->body)) {
        problem_replyf(x, ERR_EXECUTION_CONFLICT, "execution %s had another body", id);
        return;
    }
    if (!e && a->activity.quiesced) {
        problem_replyf(x, ERR_SESSION_ENDED, "the session has ended");
        return;
    }
    if (!e && a->activity.running >= AT_ONCE) {
        problem_replyf(x, ERR_TOO_MANY_EXECUTIONS, "%d run", a->activity.running);
        return;
    }
    if (!e) {
        e = mem_alloc(sizeof(*e));
        e->agent = a;
        snprintf(e->id, sizeof(e->id), "%s", id);
        snprintf(e->output, sizeof(e->output), "ran %s", id);
        e->body = mem_text_n(body.at, body.len);
        e->started_ms = now_ms();
        LL_PREPEND(a->executions, e);
        activity_submitted(&a->activity, id, now_ms());
        int64_t takes_ms = atoll(json_get_text(j, "code", "0"));
        e->end = sim_world_at(&a->process, now_ms() + takes_ms, on_execution_ended, NULL, e);
        sim_property_submitted(a, id);
        changed(a);
    }
    if (s->wait_s > 0)
        wait_for(x, e, &q, true);
    else
        reply_brief(x, e);
}

static void on_exec_body(struct http_exchange *x, struct slice body, const struct err *failed,
                         void *user)
{
    struct submission *s = user;
    struct err err;
    struct json_t *j = failed ? NULL : json_parse_object(body, &err);
    char minted[65] = "e";
    const char *id = json_get_text(j, "execution_id", *s->key ? s->key : NULL);
    if (!id)
        world_random_hex(loop_world(s->agent->exchange.loop), minted + 1, 8);
    if (!j)
        problem_reply(x, failed ? failed : &err);
    else
        run(x, s, j, id ? id : minted, body);
    json_free(j);
    free(s);
}

static void exec(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct sim_agent *a = user;
    struct err err;
    struct slice key = http_head_get(http_exchange_head(x), "Idempotency-Key");
    int64_t wait_s = 0;
    (void)m;
    if (!a->activity.started) {
        problem_replyf(x, ERR_SESSION_NOT_READY, "the session was not started yet");
        return;
    }
    if (http_query_int(http_exchange_head(x)->query, "wait", 0, 30, &wait_s, &err) < 0) {
        problem_reply(x, &err);
        return;
    }
    struct submission *s = mem_alloc(sizeof(*s));
    s->agent = a;
    s->wait_s = wait_s;
    if (key.at)
        snprintf(s->key, sizeof(s->key), "%.*s", SLICE_ARG(key));
    http_exchange_collect(x, BODY_MAX, on_exec_body, s);
}

/* -- results -- */

static void result(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct sim_agent *a = user;
    struct result_query q;
    struct err err;
    (void)m;
    if (result_query_parse(http_exchange_head(x)->query, &q, &err) < 0) {
        problem_reply(x, &err);
        return;
    }
    struct sim_execution *e = *q.execution_id ? find(a, q.execution_id) : a->executions;
    if (!e && *q.execution_id)
        problem_replyf(x, ERR_EXECUTION_NOT_FOUND, "there is no execution %s", q.execution_id);
    else if (!e)
        http_reply_json(x, 200, json_build("{s:n,s:s}", "execution_id", "status", "pending"));
    else
        wait_for(x, e, &q, false);
}

static void list(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct sim_agent *a = user;
    struct json_t *items = json_new_array();
    struct sim_execution *e;
    (void)m;
    LL_FOREACH(a->executions, e)
    json_add(items, meta_of(e));
    http_reply_json(x, 200, json_build("{s:o,s:n}", "items", items, "continue"));
}

static struct sim_execution *by_path(struct http_exchange *x, const struct http_route_match *m,
                                     const struct sim_agent *a)
{
    char id[65];
    snprintf(id, sizeof(id), "%.*s", SLICE_ARG(m->params[0]));
    struct sim_execution *e = find(a, id);
    if (!e)
        problem_replyf(x, ERR_EXECUTION_NOT_FOUND, "there is no execution %s", id);
    else if (!e->ended)
        problem_replyf(x, ERR_BUSY, "execution %s still runs", id);
    return e && e->ended ? e : NULL;
}

static void record(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct sim_execution *e = by_path(x, m, user);
    struct buf body;
    if (!e)
        return;
    struct json_t *meta = meta_of(e);
    struct result_source source = source_of(e, meta);
    buf_init(&body, BODY_MAX);
    result_record_print(&source, &body);
    http_reply(x, 200, "application/octet-stream", buf_slice(&body));
    buf_fini(&body);
    json_free(meta);
}

static void stored(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct sim_execution *e = by_path(x, m, user);
    if (!e)
        return;
    if (!e->stored) {
        e->stored = true;
        activity_changed(&e->agent->activity);
        changed(e->agent);
    }
    http_reply(x, 204, NULL, (struct slice){0});
}

/* -- activity, start, end -- */

static struct json_t *activity_of(const struct sim_agent *a)
{
    const struct activity *v = &a->activity;
    struct json_t *j = json_new_object(), *unstored = json_new_array();
    struct sim_execution *e;
    LL_FOREACH(a->executions, e)
    if (e->ended && !e->stored)
        json_add(unstored, json_new_text(e->id));
    json_set_text(j, "session_id", a->session_id);
    json_set_text(j, "epoch", a->epoch);
    json_set_int(j, "seq", v->seq);
    json_set_bool(j, "started", v->started);
    json_set_bool(j, "quiesced", v->quiesced);
    json_set_int(j, "running", v->running);
    json_set_int(j, "idle_ms", activity_idle_ms(v, now_ms()));
    json_set_text(j, "last_execution", v->last_execution[0] ? v->last_execution : NULL);
    json_set_int(j, "last_end_ms", v->last_end_ms < 0 ? -1 : now_ms() - v->last_end_ms);
    json_set_int(j, "executions", v->submitted);
    json_set(j, "unstored", unstored);
    json_set_text(j, "tender", v->tender[0] ? v->tender : NULL);
    json_set_int(j, "tended_ms", activity_tended_ms(v, now_ms()));
    return j;
}

struct watching {
    struct sim_agent *agent;
    int64_t since;
    char tender[64]; /* "": nobody's */
};

static bool answer_activity(struct http_exchange *x, void *item, bool time_up)
{
    const struct watching *w = item;
    const struct activity *v = &w->agent->activity;
    bool taken_over = w->tender[0] && strcmp(w->tender, v->tender) != 0;
    if (!time_up && !taken_over && v->seq <= w->since)
        return false;
    http_reply_json(x, 200, activity_of(w->agent));
    return true;
}

static void watching_left(void *item)
{
    struct watching *w = item;
    if (w->tender[0])
        activity_tender_leave(&w->agent->activity, w->tender, now_ms());
    free(w);
}

static void activity(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct sim_agent *a = user;
    struct slice query = http_exchange_head(x)->query;
    struct watching *w = mem_alloc(sizeof(*w));
    struct err err;
    int64_t wait_s = 0;
    int bad = 0;
    (void)m;
    *w = (struct watching){.agent = a, .since = -1};
    int rc = http_query_int(query, "since", 0, INT64_MAX, &w->since, &err);
    if (rc == 0)
        rc = http_query_int(query, "wait", 0, 30, &wait_s, &err);
    INVARIANT(rc == 0);
    http_query_get(query, "tender", w->tender, sizeof(w->tender), &bad);
    if (w->tender[0]) {
        activity_tender_enter(&a->activity, w->tender);
        changed(a);
    }
    long_polls_add(a->polls, x, wait_s * 1000, answer_activity, watching_left, w);
}

static void on_deadline(void *user)
{
    struct sim_agent *a = user;
    a->deadline = NULL;
    a->on_exit(a, a->user);
}

static void set_deadline(struct sim_agent *a, int64_t in_ms)
{
    sim_world_cancel(&a->deadline);
    a->deadline_ms = sim_wall() + in_ms;
    a->deadline = sim_world_at(&a->process, now_ms() + in_ms, on_deadline, NULL, a);
}

static bool is_ours(struct http_exchange *x, const struct sim_agent *a, const struct json_t *j)
{
    bool ours = strcmp(json_get_text(j, "epoch", ""), a->epoch) == 0;
    if (!ours)
        problem_replyf(x, ERR_CONFLICT, "this is another incarnation: epoch %s", a->epoch);
    return ours;
}

static void on_start_body(struct http_exchange *x, struct slice body, const struct err *failed,
                          void *user)
{
    struct sim_agent *a = user;
    struct err err;
    struct json_t *j = failed ? NULL : json_parse_object(body, &err);
    if (!j) {
        problem_reply(x, failed ? failed : &err);
    } else if (is_ours(x, a, j)) {
        if (!a->activity.started) {
            activity_start(&a->activity, now_ms());
            sim_property_started(a);
            set_deadline(a, json_int(json_get(j, "deadline_ms"), 1));
            sim_trace("%s epoch %.8s: started", a->process.name, a->epoch);
        }
        http_reply_json(x, 200, activity_of(a));
    }
    json_free(j);
}

static void start(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    (void)m;
    http_exchange_collect(x, BODY_MAX, on_start_body, user);
}

static bool answer_forced(struct http_exchange *x, void *item, bool time_up)
{
    (void)time_up;
    http_reply_json(x, 200, activity_of(item));
    return true;
}

static void on_quiesce_body(struct http_exchange *x, struct slice body, const struct err *failed,
                            void *user)
{
    struct sim_agent *a = user;
    struct err err;
    struct json_t *j = failed ? NULL : json_parse_object(body, &err);
    int64_t idle_ms = json_int(json_get(j, "if_idle_ms"), -1);
    if (!j) {
        problem_reply(x, failed ? failed : &err);
    } else if (!is_ours(x, a, j)) {
    } else if (json_true(json_get(j, "force"))) {
        a->forced = true;
        activity_force_quiesce(&a->activity);
        kill_all(a);
        changed(a);
        long_polls_add(a->polls, x, FORCE_WAIT_MS, answer_forced, NULL, a);
    } else if (!activity_quiesce(&a->activity, idle_ms, now_ms())) {
        problem_replyf(x, ERR_BUSY, "%d executions run", a->activity.running);
    } else {
        changed(a);
        http_reply_json(x, 200, activity_of(a));
    }
    json_free(j);
}

static void quiesce(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    (void)m;
    http_exchange_collect(x, BODY_MAX, on_quiesce_body, user);
}

/* -- serving -- */

static const struct http_route ROUTES[] = {
    {HTTP_METHOD_POST, "/v1/start", start, "start", ""},
    {HTTP_METHOD_POST, "/v1/exec/{language}", exec, "exec", ""},
    {HTTP_METHOD_GET, "/v1/result", result, "result", ""},
    {HTTP_METHOD_GET, "/v1/executions", list, "executions", ""},
    {HTTP_METHOD_GET, "/v1/executions/{eid}/record", record, "record", ""},
    {HTTP_METHOD_POST, "/v1/executions/{eid}/stored", stored, "stored", ""},
    {HTTP_METHOD_GET, "/v1/activity", activity, "activity", ""},
    {HTTP_METHOD_POST, "/v1/quiesce", quiesce, "quiesce", ""},
};
static struct http_routes routes = HTTP_ROUTES(ROUTES);

static void serve(struct http_exchange *x, void *user)
{
    struct sim_agent *a = user;
    if (!token_accepts(&a->token, http_head_get(http_exchange_head(x), "Authorization")))
        problem_replyf(x, ERR_UNAUTHORIZED, "the session's token is needed");
    else
        http_dispatch(&routes, x, a);
}

/* -- life -- */

struct sim_agent *sim_agent_new(const struct sim_agent_conf *conf)
{
    struct sim_agent *a = mem_alloc(sizeof(*a));
    snprintf(a->process.name, sizeof(a->process.name), "agent-%.40s", conf->session_id);
    snprintf(a->session_id, sizeof(a->session_id), "%s", conf->session_id);
    snprintf(a->epoch, sizeof(a->epoch), "%s", conf->epoch);
    snprintf(a->address, sizeof(a->address), "%s", conf->address);
    a->made_ms = sim_now();
    a->process.alive = true;
    sim_network_put(&a->process, conf->place);
    sim_loop_of_process(&a->process);
    struct loop *l = loop_new();
    a->process.loop = l;
    a->exchange = (struct sim_exchange_host){.loop = l, .handler = serve, .user = a};
    a->host = (struct sim_host){&a->process, &SIM_EXCHANGE_SERVER, &a->exchange};
    a->polls = long_polls_new(l);
    activity_init(&a->activity, now_ms());
    INVARIANT(token_init(&a->token, conf->token_sha256));
    a->on_exit = conf->on_exit;
    a->user = conf->user;
    sim_address_put(a->address, &a->host);
    return a;
}

void sim_agent_die(struct sim_agent *a)
{
    struct sim_execution *e;
    if (!a->process.alive)
        return;
    a->process.alive = false;
    sim_world_cancel(&a->deadline);
    LL_FOREACH(a->executions, e)
    sim_world_cancel(&e->end);
    if (sim_address_find(a->address, "") == &a->host)
        sim_address_put(a->address, NULL);
    sim_call_died(&a->process);
    sim_exchange_leave_all(&a->exchange);
    sim_loop_rest(a->exchange.loop);
}

void sim_agent_free(struct sim_agent **at)
{
    struct sim_agent *a = *at;
    struct sim_execution *e, *next;
    *at = NULL;
    if (!a)
        return;
    sim_agent_die(a);
    LL_FOREACH_SAFE(a->executions, e, next)
    {
        free(e->body);
        free(e);
    }
    free(a->polls);
    loop_free(&a->exchange.loop);
    free(a);
}
