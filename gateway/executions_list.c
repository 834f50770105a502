#include "gateway/executions_list.h"

#include "base/json.h"
#include "gateway/agent_call.h"
#include "gateway/agent_relay.h"
#include "gateway/locate.h"
#include "gateway/remote_recall.h"
#include "gateway/request.h"
#include "gateway/result_reply.h"
#include "gateway/session_table.h"
#include "sandbox/result_record.h"

#include <stdio.h>

#define CALL_MS      5000
#define LIST_DEFAULT 100
#define LIST_MAX     1000

/* -- the list -- */

static int read_page(const struct request *r, int64_t *limit, char after[EXECUTION_ID_SIZE],
                     struct err *err)
{
    struct slice query = http_exchange_head(r->x)->query;
    int bad = 0;
    *limit = LIST_DEFAULT;
    *after = '\0';
    int rc = http_query_int(query, "limit", 1, LIST_MAX, limit, err);
    if (rc == 0 && http_query_get(query, "continue", after, EXECUTION_ID_SIZE, &bad) &&
        !session_id_is_name(slice_of(after)))
        bad = -1;
    if (rc == 0 && bad)
        rc = err_set(err, ERR_INVALID_ARGUMENT, "continue is not a token of this list");
    return rc;
}

static const char *id_at(const struct json_t *items, size_t i)
{
    return json_get_text(json_item(items, i), "execution_id", "");
}

/* Behind the token's execution; one that is not listed any more was before all that are. */
static size_t first_behind(const struct json_t *items, const char *after)
{
    for (size_t i = 0; i < json_count(items); i++) {
        if (strcmp(id_at(items, i), after) == 0)
            return i + 1;
    }
    return 0;
}

static void reply_page(struct request *r, const struct json_t *items)
{
    char after[EXECUTION_ID_SIZE];
    int64_t limit;
    struct err err;
    if (read_page(r, &limit, after, &err) < 0) {
        request_problem(r, &err);
        return;
    }
    struct json_t *page = json_new_array();
    size_t i = *after ? first_behind(items, after) : 0;
    for (; i < json_count(items) && (int64_t)json_count(page) < limit; i++)
        json_add(page, json_ref(json_item(items, i)));
    const char *last = i < json_count(items) ? id_at(items, i - 1) : NULL;
    struct json_t *j = json_build("{s:o}", "items", page);
    json_set_text(j, "continue", last);
    request_reply_json(r, 200, j);
}

static void on_listed(int status, struct slice body, const struct err *err, void *user)
{
    struct request *r = user;
    struct err bad;
    r->call = NULL;
    struct json_t *j = !err && status == 200 ? json_parse_object(body, &bad) : NULL;
    if (err)
        request_problem(r, err);
    else if (json_is_array(json_get(j, "items")))
        reply_page(r, json_get(j, "items"));
    else
        request_problemf(r, ERR_UPSTREAM, "the sandbox gave no list of executions");
    json_free(j);
}

static void list_fresh(struct request *r)
{
    const struct agent_call_request req = {
        .method = HTTP_METHOD_GET, .target = "/v1/executions", .total_ms = CALL_MS};
    if (session_is_started(r->s))
        r->call = agent_call_start(r->g, r->s, &req, on_listed, r);
    else if (request_hears(r))
        reply_page(r, NULL);
}

static void list_located(struct request *r, const struct located *where)
{
    if (where->kind == LOCATE_ENDED)
        reply_page(r, where->tombstone->executions);
    else if (request_takes_living(r, where))
        request_fresh(r, where->session, list_fresh);
}

void executions_list_all(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct request *r = request_open(user, x, m, m->params[0], REQUEST_TENANT | REQUEST_READY);
    char after[EXECUTION_ID_SIZE];
    int64_t limit;
    struct err err;
    if (!r)
        return;
    if (read_page(r, &limit, after, &err) < 0)
        request_problem(r, &err);
    else
        request_locate(r, list_located);
}

/* -- one of them, whose agent does not have it any more -- */

/* As its agent would say it. */
static struct json_t *cancelled_already(const struct request *r, const char *status)
{
    char link[sizeof(r->id) + sizeof(r->execution_id) + 32];
    snprintf(link, sizeof(link), "/%s/result?execution_id=%s", r->id, r->execution_id);
    return json_build("{s:s,s:s,s:s}", "execution_id", r->execution_id, "status", status, "result",
                      link);
}

static void reply_one(struct request *r, struct json_t *item /* takes */)
{
    if (http_exchange_head(r->x)->method == HTTP_METHOD_DELETE) {
        struct json_t *brief = cancelled_already(r, json_get_text(item, "status", ""));
        json_free(item);
        item = brief;
    }
    request_reply_json(r, 200, item);
}

static void reply_lost(struct request *r)
{
    reply_one(r, json_build("{s:s,s:s,s:s}", "session_id", r->id, "execution_id", r->execution_id,
                            "status", "lost"));
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

/* No record: what the tombstone says of it. */
static void reply_item(struct request *r)
{
    const struct tombstone *t = session_table_tombstone(r->g->sessions, r->id);
    const struct json_t *item = t ? tombstone_execution(t, r->execution_id) : NULL;
    if (item)
        reply_one(r, json_copy(item));
    else if (t && tombstone_knows(t, r->execution_id))
        reply_lost(r);
    else
        elsewhere(r);
}

static void reply_meta(struct request *r, struct result_record *record,
                       const struct result_query *q)
{
    (void)q;
    reply_one(r, json_copy(record->meta));
}

static void from_record(struct request *r, request_step_f *missing)
{
    const struct result_query whole = {.limit = RESULT_LIMIT_DEFAULT};
    result_reply_stored_as(r, r->execution_id, &whole, missing, reply_meta);
}

/* Of an earlier life of the session, here: the site where it lives now does not know it. */
static void kept_here(struct request *r)
{
    from_record(r, elsewhere);
}

static void let_go(struct request *r)
{
    from_record(r, reply_lost);
}

static void relay(struct request *r)
{
    char target[128];
    snprintf(target, sizeof(target), "/v1/executions/%s", r->execution_id);
    const struct agent_relay how = {.method = http_exchange_head(r->x)->method,
                                    .target = target,
                                    .head_ms = CALL_MS,
                                    .total_ms = CALL_MS,
                                    .if_gone = let_go,
                                    .if_unknown = r->s->spec.again ? elsewhere : NULL};
    if (session_is_started(r->s))
        agent_relay_start(r, r->s, &how);
    else if (request_hears(r))
        reply_item(r);
}

/* Its agent is there, or may not be for long; or it ran in an earlier session of this id. */
static void one_fresh(struct request *r)
{
    const struct session *s = r->s;
    bool earlier = s->spec.again && !json_get(s->executions, r->execution_id);
    if (earlier || s->pod_deleting || s->pod_over || s->pod_gone || session_is_over(s))
        from_record(r, relay);
    else
        relay(r);
}

static void one_located(struct request *r, const struct located *where)
{
    if (where->kind == LOCATE_ENDED)
        from_record(r, reply_item);
    else if (request_takes_living(r, where))
        request_fresh(r, where->session, one_fresh);
}

/* To read it and to cancel it: the agent is asked with the method that came. */
void executions_list_one(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct request *r = request_open_named(user, x, m, "an execution id");
    if (!r)
        return;
    r->again_step = kept_here;
    request_locate(r, one_located);
}
