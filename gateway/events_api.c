#include "gateway/events_api.h"

#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "gateway/agent_relay.h"
#include "gateway/locate.h"
#include "gateway/remote_recall.h"
#include "gateway/result_reply.h"
#include "gateway/session_table.h"
#include "http/http_reply.h"
#include "sandbox/result_pending.h"
#include "sandbox/result_record.h"

#include <stdio.h>
#include <stdlib.h>

#define HEAD_MS  10000
#define SLACK_MS 60000 /* behind the longest session: the agent ends the stream, not we */

static int read_call(const struct request *r, struct result_query *q, int64_t *last,
                     struct err *err)
{
    const struct http_head *head = http_exchange_head(r->x);
    int rc = result_query_parse(head->query, q, err);
    return rc < 0 ? rc : event_stream_last(http_head_get(head, "Last-Event-ID"), last, err);
}

static void nothing_follows(struct request *r)
{
    request_reply(r, 204, NULL, (struct slice){0});
}

/* -- from a record -- */

/* What is left to tell: printed on the loop, or in another thread. */
struct telling {
    struct request *r;
    struct event_source source;
    struct event_cursor at;
    struct result_record *record; /* referenced, or NULL */
    struct buf text;
};

static void print_all(void *user)
{
    struct telling *t = user;
    buf_init(&t->text, RESULT_PAGE_MAX);
    while (event_stream_next(&t->source, &t->at, &t->text) == EVENT_STEP_TOLD) {
    }
}

static void reply_told(struct telling *t)
{
    struct http_exchange *x = t->r->x;
    const struct json_t *meta = t->source.result.meta;
    INVARIANT(!t->text.overflowed);
    http_reply_header(x, "Spillway-Execution-Id", json_get_text(meta, "execution_id", ""));
    http_reply_header(x, "Spillway-Execution-Status", json_get_text(meta, "status", ""));
    http_reply_header(x, "Cache-Control", "no-store");
    request_reply(t->r, 200, "text/event-stream", buf_slice(&t->text));
    buf_fini(&t->text);
}

static void on_printed(void *user)
{
    struct telling *t = user;
    reply_told(t);
    result_record_free(&t->record);
    free(t);
}

static void reply_source(struct request *r, const struct event_source *s,
                         struct result_record *record)
{
    struct telling t = {.r = r, .source = *s};
    struct result_query q;
    struct err err;
    int64_t last;
    if (read_call(r, &q, &last, &err) < 0 || event_stream_seek(s, last, &t.at, &err) < 0) {
        request_problem(r, &err);
    } else if (event_stream_is_finished(s, &t.at)) {
        nothing_follows(r);
    } else if (!record || record->stored_bytes <= LOOP_AT_ONCE_BYTES) {
        print_all(&t);
        reply_told(&t);
    } else {
        struct telling *later = mem_alloc(sizeof(*later));
        *later = t;
        later->record = result_record_ref(record);
        loop_work(r->g->loop, print_all, on_printed, later);
    }
}

static void reply_record(struct request *r, struct result_record *record,
                         const struct result_query *q)
{
    struct event_source s = result_record_events(record);
    (void)q;
    reply_source(r, &s, record);
}

/* Its sandbox went before its end could be seen, or its record's time is over: all there is to say
 * is that. */
static void reply_lost(struct request *r)
{
    struct json_t *meta = result_pending_meta(r->id);
    struct event_journal none = {0};
    struct event_source s = {{.meta = meta, .ended = true}, &none};
    json_set_text(meta, "execution_id", r->execution_id);
    json_set_text(meta, "status", "lost");
    reply_source(r, &s, NULL);
    json_free(meta);
}

static void no_such_execution(struct request *r)
{
    request_problemf(r, ERR_EXECUTION_NOT_FOUND, "there is no execution '%s' in the session '%s'",
                     r->execution_id, r->id);
}

/* Of an earlier life of the session, at another site. */
static void elsewhere(struct request *r)
{
    remote_recall_pass(r, no_such_execution);
}

static void record_missing(struct request *r)
{
    const struct tombstone *t = session_table_tombstone(r->g->sessions, r->id);
    if (t && tombstone_knows(t, r->execution_id))
        reply_lost(r);
    else
        elsewhere(r);
}

/* Of an earlier life of the session, here: the site where it lives now does not know it. */
static void kept_here(struct request *r)
{
    struct result_query q;
    struct err err;
    int64_t last;
    if (read_call(r, &q, &last, &err) < 0) {
        request_problem(r, &err);
        return;
    }
    snprintf(r->execution_id, sizeof(r->execution_id), "%s", q.execution_id);
    result_reply_stored_as(r, r->execution_id, &q, elsewhere, reply_record);
}

/* -- from the agent -- */

/* The agent let it go when it was stored. */
static void record_let_go(struct request *r)
{
    struct result_query q;
    struct err err;
    int64_t last;
    if (read_call(r, &q, &last, &err) < 0)
        request_problem(r, &err);
    else
        result_reply_stored_as(r, r->execution_id, &q, reply_lost, reply_record);
}

static void relay(struct request *r)
{
    char target[1024];
    struct err err;
    if (agent_relay_target(r, "/v1/events", target, sizeof(target), &err) < 0) {
        request_problem(r, &err);
        return;
    }
    const struct agent_relay how = {.method = HTTP_METHOD_GET,
                                    .target = target,
                                    .head_ms = HEAD_MS,
                                    .total_ms = r->g->conf.limits.session_max_ms + SLACK_MS,
                                    .if_gone = record_let_go,
                                    .if_unknown = r->s->spec.again ? elsewhere : NULL};
    agent_relay_start(r, r->s, &how);
}

static void located(struct request *r, const struct located *where);

static void of_living(struct request *r)
{
    struct session *s = r->s;
    struct result_query q;
    struct err err;
    int64_t last;
    if (read_call(r, &q, &last, &err) < 0) {
        request_problem(r, &err);
        return;
    }
    if (session_table_get(r->g->sessions, s->id) != s) { /* it ended while the call waited */
        session_unref(s);
        r->s = NULL;
        request_locate(r, located);
        return;
    }
    bool started = session_is_started(s) && !session_is_over(s);
    const char *eid = *q.execution_id ? q.execution_id : s->last_execution;
    bool leaving = session_state(s) == SESSION_STOPPING && *eid;
    snprintf(r->execution_id, sizeof(r->execution_id), "%s", eid);
    /* What is known to be here, or of an earlier session of this id, its agent need not tell. */
    int64_t since_ms = s->spec.again ? 0 : s->created_ms;
    bool kept = *q.execution_id && result_reply_cached(r, eid, since_ms);
    bool earlier = s->spec.again && *q.execution_id && !json_get(s->executions, eid);
    if (started && (kept || earlier || leaving))
        result_reply_stored_as(r, eid, &q, relay, reply_record);
    else if (started)
        relay(r);
    else if (!request_hears(r))
        return;
    else if (*q.execution_id)
        no_such_execution(r);
    else
        nothing_follows(r);
}

/* -- either way -- */

static void of_ended(struct request *r, const struct tombstone *t)
{
    struct result_query q;
    struct err err;
    int64_t last;
    if (read_call(r, &q, &last, &err) < 0) {
        request_problem(r, &err);
        return;
    }
    snprintf(r->execution_id, sizeof(r->execution_id), "%s",
             *q.execution_id ? q.execution_id : t->last_execution);
    if (*r->execution_id)
        result_reply_stored_as(r, r->execution_id, &q, record_missing, reply_record);
    else
        nothing_follows(r);
}

static void located(struct request *r, const struct located *where)
{
    if (where->kind == LOCATE_LIVING)
        request_fresh(r, where->session, of_living);
    else if (where->kind == LOCATE_ENDED)
        of_ended(r, where->tombstone);
    else
        request_problemf(r, ERR_SESSION_NOT_FOUND, "there is no session '%s'", r->id);
}

void events_api_events(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct request *r = request_open(user, x, m, m->params[0], REQUEST_TENANT | REQUEST_READY);
    struct result_query q;
    struct err err;
    int64_t last;
    if (!r)
        return;
    if (read_call(r, &q, &last, &err) < 0) {
        request_problem(r, &err);
        return;
    }
    if (*q.execution_id)
        r->again_step = kept_here;
    request_locate(r, located);
}
