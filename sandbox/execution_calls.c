#include "sandbox/execution_calls.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/http_reply.h"
#include "http/media_type.h"
#include "http/problem.h"
#include "sandbox/agent.h"
#include "sandbox/result_pending.h"
#include "sandbox/result_query.h"
#include "sandbox/result_record.h"
#include "sandbox/run_files.h"
#include <stdio.h>
#include <stdlib.h>

static void set_fields(struct http_exchange *x, const char *id, const char *status)
{
    http_reply_header(x, "Spillway-Execution-Id", id);
    http_reply_header(x, "Spillway-Execution-Status", status);
}

static void reply_brief(struct http_exchange *x, const struct agent *a, int http_status,
                        const char *id, const char *status)
{
    char *link = mem_format("/%s/result?execution_id=%s", a->session_id, id);
    set_fields(x, id, status);
    http_reply_json(
        x, http_status,
        json_build("{s:s,s:s,s:s}", "execution_id", id, "status", status, "result", link));
    free(link);
}

/* The session is the run's own, and its name is the run's. */
static void reply_run(struct http_exchange *x, const struct agent *a, int http_status,
                      const char *id, const char *status)
{
    char *link = mem_format("/api/run/%s", a->session_id);
    set_fields(x, id, status);
    http_reply_json(x, http_status,
                    json_build("{s:s,s:s,s:s,s:s}", "run_id", a->session_id, "execution_id", id,
                               "status", status, "result", link));
    free(link);
}

static void reply_result(struct http_exchange *x, const struct execution *e,
                         const struct result_query *q)
{
    struct err err = {0};
    struct buf body;
    buf_init(&body, RESULT_PAGE_MAX);
    struct json_t *meta = execution_meta(e);
    struct result_source source = execution_source(e, meta);
    if (result_page_print(&source, q, &body, &err) < 0) {
        problem_reply(x, &err);
    } else {
        INVARIANT(!body.overflowed);
        set_fields(x, execution_id(e), execution_status(e));
        http_reply(x, 200, "application/json", buf_slice(&body));
    }
    json_free(meta);
    buf_fini(&body);
}

/* -- one execution by its id -- */

/* NULL: the exchange has ended with a problem, `gone` where it was let go. */
static struct execution *find_or_refuse(struct http_exchange *x, const struct agent *a,
                                        const char *id, enum err_code gone)
{
    struct execution *e = executions_find(&a->executions, id);
    if (!e && past_executions_find(&a->executions.past, id))
        problem_replyf(x, gone, "execution %s was stored and let go", id);
    else if (!e)
        problem_replyf(x, ERR_EXECUTION_NOT_FOUND, "there is no execution %s", id);
    return e;
}

static struct execution *find_by_path(struct http_exchange *x, const struct http_route_match *m,
                                      const struct agent *a, enum err_code gone)
{
    char id[65];
    struct slice text = m->params[0];
    if (text.len >= sizeof(id)) {
        problem_replyf(x, ERR_INVALID_ID, "execution ids have at most 64 characters");
        return NULL;
    }
    memcpy(id, text.at, text.len);
    id[text.len] = '\0';
    if (!result_query_id_ok(id)) {
        problem_replyf(x, ERR_INVALID_ID, "execution ids are 1 to 64 of [A-Za-z0-9._-]");
        return NULL;
    }
    return find_or_refuse(x, a, id, gone);
}

/* -- waiting for a result -- */

struct result_call {
    struct agent *agent;
    struct execution *execution; /* held */
    struct result_query query;
    bool end_only; /* exec?wait=: partial output does not answer it */
    bool one_shot;
};

static bool answer_result(struct http_exchange *x, void *item, bool time_up)
{
    const struct result_call *c = item;
    const struct execution *e = c->execution;
    bool ended = execution_is_ended(e);
    if (c->end_only && !ended) {
        if (time_up)
            (c->one_shot ? reply_run : reply_brief)(x, c->agent, 202, execution_id(e),
                                                    execution_status(e));
        return time_up;
    }
    struct result_source source = execution_source(e, NULL);
    if (!time_up && !result_page_has_news(&source, &c->query))
        return false;
    reply_result(x, e, &c->query);
    return true;
}

static void result_call_left(void *item)
{
    struct result_call *c = item;
    execution_release(c->execution);
    free(c);
}

static void wait_for_result(struct http_exchange *x, struct agent *a, struct execution *e,
                            const struct result_query *q, bool end_only, bool one_shot)
{
    struct result_call *c = mem_alloc(sizeof(*c));
    *c = (struct result_call){a, e, *q, end_only, one_shot};
    execution_hold(e);
    long_polls_add(a->polls, x, q->wait_s * 1000, answer_result, result_call_left, c);
}

/* -- exec -- */

struct exec_call {
    struct agent *agent;
    const struct language *language;
    bool text; /* the body is the code */
    int64_t wait_s;
    char key[65]; /* Idempotency-Key, or "" */
    bool one_shot;
};

static void answer_exec(struct http_exchange *x, const struct exec_call *c, struct execution *e)
{
    struct result_query q = {.limit = RESULT_LIMIT_MAX, .wait_s = c->wait_s};
    if (c->wait_s == 0)
        (c->one_shot ? reply_run : reply_brief)(x, c->agent, 202, execution_id(e),
                                                execution_status(e));
    else
        wait_for_result(x, c->agent, e, &q, true, c->one_shot);
}

/* The same id again: the same execution, or another body under its name. True when the exchange was
 * ended. */
static bool answer_known(struct http_exchange *x, const struct exec_call *c,
                         const struct exec_request *r)
{
    struct executions *all = &c->agent->executions;
    struct execution *e = executions_find(all, r->execution_id);
    const struct past_execution *past =
        e ? NULL : past_executions_find(&all->past, r->execution_id);
    if (!e && !past)
        return false;
    bool same = e ? strcmp(execution_fingerprint(e), r->fingerprint) == 0
                  : past_execution_is(past, r->fingerprint);
    if (!same)
        problem_replyf(x, ERR_EXECUTION_CONFLICT, "execution %s had another body", r->execution_id);
    else if (e)
        answer_exec(x, c, e);
    else
        reply_brief(x, c->agent, 202, r->execution_id, past_execution_status(past));
    return true;
}

static int may_run(struct agent *a, struct err *err)
{
    if (a->activity.quiesced)
        return err_set(err, ERR_SESSION_ENDED, "the session has ended");
    return executions_make_room(&a->executions, a->limits.executions_max, err);
}

static void run(struct http_exchange *x, const struct exec_call *c, struct exec_request *r)
{
    struct agent *a = c->agent;
    struct err err = {0};
    char id[65];
    snprintf(id, sizeof(id), "%s", r->execution_id);
    struct execution *e = NULL;
    int rc = may_run(a, &err);
    if (rc == 0 && r->files)
        rc = run_files_write(r->files, &a->files.workspace, a->world, &err);
    if (rc == 0)
        e = execution_start(&a->host, id, c->language, r, &err);
    if (!e) {
        problem_reply(x, &err);
        return;
    }
    agent_submitted(a, e);
    LOG(LOG_INFO, "execution_started", KV("execution", (const char *)id),
        KV("language", (const char *)c->language->name), KV("warm", execution_is_warm(e)));
    answer_exec(x, c, e);
}

static void name_request(const struct exec_call *c, struct exec_request *r)
{
    if (r->execution_id[0] != '\0')
        return;
    if (c->key[0] != '\0') {
        snprintf(r->execution_id, sizeof(r->execution_id), "%s", c->key);
        return;
    }
    r->execution_id[0] = 'e';
    world_random_hex(c->agent->world, r->execution_id + 1, 16);
}

static void on_exec_body(struct http_exchange *x, struct slice body, const struct err *failed,
                         void *user)
{
    struct exec_call *c = user;
    struct exec_request r = {0};
    struct err err = {0};
    int rc = failed ? -1 : 0;
    if (rc == 0)
        rc = (c->text ? exec_request_parse_text : exec_request_parse_json)(
            body, c->language->name, &c->agent->limits, &r, &err);
    if (rc < 0) {
        problem_reply(x, failed ? failed : &err);
    } else {
        name_request(c, &r);
        c->one_shot = r.one_shot;
        if (!answer_known(x, c, &r))
            run(x, c, &r);
        exec_request_fini(&r);
    }
    free(c);
}

static int read_content_type(const struct http_head *h, struct exec_call *c, struct err *err)
{
    struct slice type;
    int rc = media_type_read(http_head_get(h, "Content-Type"), &type, err);
    if (rc < 0)
        return rc;
    c->text = slice_eq_nocase(type, "text/plain");
    if (!c->text && !slice_eq_nocase(type, "application/json"))
        return err_set(err, ERR_UNSUPPORTED_MEDIA_TYPE,
                       "the body must be application/json or text/plain");
    return 0;
}

static int read_key(const struct http_head *h, struct exec_call *c, struct err *err)
{
    struct slice key = http_head_get(h, "Idempotency-Key");
    if (!key.at)
        return 0;
    snprintf(c->key, sizeof(c->key), "%.*s", SLICE_ARG(key));
    if (key.len >= sizeof(c->key) || !result_query_id_ok(c->key))
        return err_set(err, ERR_INVALID_ID, "Idempotency-Key must be 1 to 64 of [A-Za-z0-9._-]");
    return 0;
}

static int find_language(struct agent *a, struct slice name, struct exec_call *c, struct err *err)
{
    c->language = languages_find(&a->languages, name);
    if (c->language && language_installed(c->language))
        return 0;
    char there[200];
    languages_list_installed(&a->languages, there, sizeof(there));
    return err_set(err, ERR_UNKNOWN_LANGUAGE, "this environment has %s", there);
}

static int read_exec_call(struct http_exchange *x, struct slice language, struct exec_call *c,
                          struct err *err)
{
    const struct http_head *h = http_exchange_head(x);
    if (!c->agent->activity.started)
        return err_set(err, ERR_SESSION_NOT_READY, "the session was not started yet");
    int rc = find_language(c->agent, language, c, err);
    if (rc == 0)
        rc = read_content_type(h, c, err);
    if (rc == 0)
        rc = read_key(h, c, err);
    if (rc == 0)
        rc = http_query_int(h->query, "wait", 0, RESULT_WAIT_MAX_S, &c->wait_s, err);
    return rc;
}

void execution_calls_exec(struct http_exchange *x, const struct http_route_match *m, void *agent)
{
    struct err err = {0};
    struct exec_call *c = mem_alloc(sizeof(*c));
    *c = (struct exec_call){.agent = agent};
    if (read_exec_call(x, m->params[0], c, &err) < 0) {
        free(c);
        problem_reply(x, &err);
        return;
    }
    size_t max = c->text ? (size_t)c->agent->limits.code_bytes : EXEC_REQUEST_BODY_MAX;
    http_exchange_collect(x, max, on_exec_body, c);
}

/* -- result and lists -- */

static void reply_pending(struct http_exchange *x, const struct agent *a,
                          const struct result_query *q)
{
    struct err err = {0};
    struct buf body;
    buf_init(&body, 4096);
    struct json_t *meta = result_pending_meta(a->session_id);
    struct result_source source = {.meta = meta};
    if (result_page_print(&source, q, &body, &err) < 0) {
        problem_reply(x, &err);
    } else {
        http_reply_header(x, "Spillway-Execution-Status", "pending");
        http_reply(x, 200, "application/json", buf_slice(&body));
    }
    json_free(meta);
    buf_fini(&body);
}

void execution_calls_result(struct http_exchange *x, const struct http_route_match *m, void *agent)
{
    (void)m;
    struct agent *a = agent;
    struct err err = {0};
    struct result_query q;
    if (result_query_parse(http_exchange_head(x)->query, &q, &err) < 0) {
        problem_reply(x, &err);
        return;
    }
    struct execution *e = executions_newest(&a->executions);
    if (q.execution_id[0] != '\0') {
        e = find_or_refuse(x, a, q.execution_id, ERR_GONE);
        if (!e)
            return;
    }
    if (e)
        wait_for_result(x, a, e, &q, false, false);
    else
        reply_pending(x, a, &q);
}

/* Each may have megabytes of them: a list says what there is, not what came of it. */
static struct json_t *without_values(struct json_t *meta)
{
    static const char *const VALUES[] = {"display", "display_truncated", "result",
                                         "result_truncated", "error"};
    for (size_t i = 0; i < ARRAY_LEN(VALUES); i++)
        json_remove(meta, VALUES[i]);
    return meta;
}

void execution_calls_list(struct http_exchange *x, const struct http_route_match *m, void *agent)
{
    (void)m;
    const struct agent *a = agent;
    struct json_t *items = json_new_array();
    for (size_t i = 0; i < a->executions.count; i++)
        json_add(items, without_values(execution_meta(a->executions.items[i])));
    struct json_t *body = json_new_object();
    json_set(body, "items", items);
    json_set(body, "continue", json_new_null());
    http_reply_json(x, 200, body);
}

void execution_calls_let_go(struct http_exchange *x, const struct http_route_match *m, void *agent)
{
    (void)m;
    const struct agent *a = agent;
    struct buf body;
    buf_init(&body, EXECUTIONS_EVER_MAX * PAST_EXECUTION_ID_HEX);
    past_executions_print(&a->executions.past, &body);
    INVARIANT(!body.overflowed);
    http_reply(x, 200, "text/plain", buf_slice(&body));
    buf_fini(&body);
}

void execution_calls_get(struct http_exchange *x, const struct http_route_match *m, void *agent)
{
    struct execution *e = find_by_path(x, m, agent, ERR_GONE);
    if (!e)
        return;
    set_fields(x, execution_id(e), execution_status(e));
    http_reply_json(x, 200, execution_meta(e));
}

void execution_calls_cancel(struct http_exchange *x, const struct http_route_match *m, void *agent)
{
    struct agent *a = agent;
    struct execution *e = find_by_path(x, m, a, ERR_GONE);
    if (!e)
        return;
    bool ended = execution_is_ended(e);
    if (!ended) {
        activity_touch(&a->activity, world_now_ms(a->world));
        execution_stop(e, EXECUTION_BY_CANCEL);
        agent_changed(a);
    }
    reply_brief(x, a, ended ? 200 : 202, execution_id(e), execution_status(e));
}

/* -- stdin -- */

struct stdin_call {
    struct agent *agent;
    struct execution *execution; /* held */
    bool eof;
};

static void on_stdin_body(struct http_exchange *x, struct slice body, const struct err *failed,
                          void *user)
{
    struct stdin_call *c = user;
    struct err err = {0};
    if (failed) {
        problem_reply(x, failed);
    } else if (execution_feed(c->execution, body, c->eof, &err) < 0) {
        problem_reply(x, &err);
    } else {
        activity_touch(&c->agent->activity, world_now_ms(c->agent->world));
        agent_changed(c->agent);
        http_reply(x, 204, NULL, (struct slice){0});
    }
    execution_release(c->execution);
    free(c);
}

void execution_calls_stdin(struct http_exchange *x, const struct http_route_match *m, void *agent)
{
    struct err err = {0};
    bool eof = false;
    struct execution *e = find_by_path(x, m, agent, ERR_STDIN_CLOSED);
    if (!e)
        return;
    if (http_query_bool(http_exchange_head(x)->query, "eof", &eof, &err) < 0) {
        problem_reply(x, &err);
        return;
    }
    struct stdin_call *c = mem_alloc(sizeof(*c));
    *c = (struct stdin_call){agent, e, eof};
    execution_hold(e);
    http_exchange_collect(x, EXEC_REQUEST_STDIN_MAX, on_stdin_body, c);
}

/* -- the way to the result store -- */

void execution_calls_record(struct http_exchange *x, const struct http_route_match *m, void *agent)
{
    const struct agent *a = agent;
    struct execution *e = find_by_path(x, m, a, ERR_GONE);
    if (!e)
        return;
    if (!execution_is_ended(e)) {
        problem_replyf(x, ERR_BUSY, "execution %s still runs", execution_id(e));
        return;
    }
    struct buf body;
    buf_init(&body, RESULT_RECORD_MAX);
    struct json_t *meta = execution_meta(e);
    struct event_source source = execution_events(e, meta);
    json_set_text(meta, "fingerprint", execution_fingerprint(e));
    result_record_print_events(&source, &body);
    INVARIANT(!body.overflowed);
    set_fields(x, execution_id(e), execution_status(e));
    http_reply(x, 200, "application/octet-stream", buf_slice(&body));
    json_free(meta);
    buf_fini(&body);
}

void execution_calls_stored(struct http_exchange *x, const struct http_route_match *m, void *agent)
{
    struct agent *a = agent;
    struct execution *e = find_by_path(x, m, a, ERR_GONE);
    if (!e)
        return;
    if (!execution_is_ended(e)) {
        problem_replyf(x, ERR_BUSY, "execution %s still runs", execution_id(e));
        return;
    }
    if (!execution_is_stored(e)) {
        execution_set_stored(e);
        activity_changed(&a->activity);
        agent_changed(a);
    }
    http_reply(x, 204, NULL, (struct slice){0});
}
