#include "gateway/execution_census.h"

#include "base/json.h"
#include "base/mem.h"
#include "gateway/agent_call.h"
#include "gateway/session.h"
#include "gateway/tombstone.h"

#include <stdlib.h>

#define CALL_MS 3000
#define KEPT_MAX                                                                                   \
    ((size_t)256 * 1024) /* parsed on the loop; 64 executions without outputs are less */
#define LET_GO_DIGITS ((size_t)65536 * TOMBSTONE_LET_GO_DIGITS)

struct execution_census {
    struct gateway *g;
    struct session *s;
    struct agent_call *call;
    struct execution_told told;
    execution_census_f *done;
    void *user;
};

static void free_census(struct execution_census *c)
{
    agent_call_cancel(&c->call);
    json_free(c->told.kept);
    json_free(c->told.let_go);
    session_unref(c->s);
    free(c);
}

static void finish(struct execution_census *c, const struct err *err)
{
    c->done(&c->told, err, c->user);
    free_census(c);
}

/* What tells one execution from another; their results are in their records. NULL: no such list. */
static struct json_t *slim(const struct json_t *items)
{
    static const char *const HEAVY[] = {"display", "result", "error"};
    struct json_t *list = json_new_array();
    for (size_t i = 0; i < json_count(items); i++) {
        const char *eid = json_get_text(json_item(items, i), "execution_id", "");
        if (!session_id_is_name(slice_of(eid))) {
            json_free(list);
            return NULL;
        }
        struct json_t *item = json_copy(json_item(items, i));
        for (size_t k = 0; k < ARRAY_LEN(HEAVY); k++)
            json_remove(item, HEAVY[k]);
        json_add(list, item);
    }
    return list;
}

static bool are_digests(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!((text.at[i] >= '0' && text.at[i] <= '9') || (text.at[i] >= 'a' && text.at[i] <= 'f')))
            return false;
    }
    return text.len % TOMBSTONE_LET_GO_DIGITS == 0;
}

static void on_let_go(int status, struct slice body, const struct err *err, void *user)
{
    struct execution_census *c = user;
    c->call = NULL;
    c->told.complete = !err && status == 200 && are_digests(body);
    if (c->told.complete && body.len > 0)
        c->told.let_go = json_new_text_n(body.at, body.len);
    finish(c, err);
}

static void ask_let_go(struct execution_census *c)
{
    const struct agent_call_request req = {.method = HTTP_METHOD_GET,
                                           .target = "/v1/let_go",
                                           .total_ms = CALL_MS,
                                           .reply_max = LET_GO_DIGITS};
    c->call = agent_call_start(c->g, c->s, &req, on_let_go, c);
}

static void on_kept(int status, struct slice body, const struct err *err, void *user)
{
    struct execution_census *c = user;
    struct err bad;
    c->call = NULL;
    struct json_t *list = !err && status == 200 ? json_parse_object(body, &bad) : NULL;
    const struct json_t *items = json_get(list, "items");
    if (json_is_array(items))
        c->told.kept = slim(items);
    json_free(list);
    c->told.complete = c->told.kept != NULL;
    /* The usual session never had as many executions as its agent keeps. */
    if (c->told.kept && (int64_t)json_count(c->told.kept) < c->s->activity.executions)
        ask_let_go(c);
    else
        finish(c, err);
}

struct execution_census *execution_census_start(struct gateway *g, struct session *s,
                                                execution_census_f *done, void *user)
{
    struct execution_census *c = mem_alloc(sizeof(*c));
    const struct agent_call_request req = {.method = HTTP_METHOD_GET,
                                           .target = "/v1/executions",
                                           .total_ms = CALL_MS,
                                           .reply_max = KEPT_MAX};
    c->g = g;
    c->s = session_ref(s);
    c->done = done;
    c->user = user;
    c->call = agent_call_start(g, s, &req, on_kept, c);
    return c;
}

void execution_census_cancel(struct execution_census **c)
{
    if (*c)
        free_census(*c);
    *c = NULL;
}
