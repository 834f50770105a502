#include "sandbox/event_calls.h"
#include "base/json.h"
#include "http/http_reply.h"
#include "http/problem.h"
#include "sandbox/agent.h"
#include "sandbox/result_query.h"

/* NULL with err: there is none of that id; NULL without: nothing was submitted. */
static struct execution *find(const struct agent *a, const struct result_query *q, struct err *err)
{
    if (q->execution_id[0] == '\0')
        return executions_newest(&a->executions);
    struct execution *e = executions_find(&a->executions, q->execution_id);
    if (!e && past_executions_find(&a->executions.past, q->execution_id))
        err_set(err, ERR_GONE, "execution %s was stored and let go", q->execution_id);
    else if (!e)
        err_set(err, ERR_EXECUTION_NOT_FOUND, "there is no execution %s", q->execution_id);
    return e;
}

/* Where the watcher begins; *finished: it has had the last event. */
static int seek(const struct execution *e, int64_t last, struct event_cursor *out, bool *finished,
                struct err *err)
{
    struct json_t *meta = execution_meta(e);
    struct event_source s = execution_events(e, meta);
    int rc = event_stream_seek(&s, last, out, err);
    *finished = rc == 0 && event_stream_is_finished(&s, out);
    json_free(meta);
    return rc;
}

static void watch(struct http_exchange *x, struct agent *a, struct execution *e,
                  const struct event_cursor *from)
{
    struct err err = {0};
    http_reply_header(x, "Spillway-Execution-Id", execution_id(e));
    http_reply_header(x, "Spillway-Execution-Status", execution_status(e));
    http_reply_header(x, "Content-Type", "text/event-stream");
    http_reply_header(x, "Cache-Control", "no-store");
    if (event_watchers_add(a->watchers, x, e, from, &err) < 0)
        problem_reply(x, &err);
}

void event_calls_events(struct http_exchange *x, const struct http_route_match *m, void *agent)
{
    (void)m;
    struct agent *a = agent;
    const struct http_head *head = http_exchange_head(x);
    struct result_query q;
    struct event_cursor from;
    struct err err = {0};
    int64_t last;
    bool finished = true;
    int rc = result_query_parse(head->query, &q, &err);
    if (rc == 0)
        rc = event_stream_last(http_head_get(head, "Last-Event-ID"), &last, &err);
    struct execution *e = rc == 0 ? find(a, &q, &err) : NULL;
    if (e)
        rc = seek(e, last, &from, &finished, &err);
    if (rc < 0 || err.code)
        problem_reply(x, &err);
    else if (finished)
        http_reply(x, 204, NULL, (struct slice){0});
    else
        watch(x, a, e, &from);
}
