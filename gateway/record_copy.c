#include "gateway/record_copy.h"

#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "gateway/agent_call.h"
#include "gateway/gateway.h"
#include "gateway/gateway_metrics.h"
#include "gateway/record_cache.h"
#include "gateway/session.h"
#include "router/result_store.h"
#include "sandbox/result_record.h"

#include <stdio.h>
#include <stdlib.h>

#define CALL_MS 5000

struct record_copy {
    struct gateway *g;
    struct session *s;
    struct json_t *ids;
    size_t at;
    struct agent_call *call;
    record_copy_done_f
        *done; /* NULL: cancelled, freed when the store's or the loop's callback comes */
    void *user;
    bool in_store;
};

static void next(struct record_copy *c);

static void free_copy(struct record_copy *c)
{
    agent_call_cancel(&c->call);
    json_free(c->ids);
    session_unref(c->s);
    free(c);
}

static void finish(struct record_copy *c, const struct err *err)
{
    c->done(err, c->user);
    free_copy(c);
}

static const char *current(const struct record_copy *c)
{
    const char *eid = json_text(json_item(c->ids, c->at));
    return eid && session_id_is_name(slice_of(eid)) ? eid : NULL;
}

static void target_of(const struct record_copy *c, const char *what, char *out, size_t size)
{
    snprintf(out, size, "/v1/executions/%s/%s", current(c), what);
}

static void on_told(int status, struct slice body, const struct err *err, void *user)
{
    struct record_copy *c = user;
    (void)body;
    c->call = NULL;
    /* When the agent did not hear it, it goes on listing the execution, and the copy is made again.
     */
    if (err) {
        finish(c, err);
        return;
    }
    if (status / 100 == 2)
        LOG(LOG_INFO, "result_stored", KV("session", c->s->id), KV("execution", current(c)));
    c->at++;
    next(c);
}

static void on_stored(const struct slice *value, const struct err *err, void *user)
{
    struct record_copy *c = user;
    char target[128];
    (void)value;
    c->in_store = false;
    if (!c->done) {
        free_copy(c);
        return;
    }
    gateway_metrics_result(c->g->metrics, !err);
    if (err) {
        finish(c, err);
        return;
    }
    session_note_execution(c->s, current(c), "stored");
    target_of(c, "stored", target, sizeof(target));
    const struct agent_call_request req = {
        .method = HTTP_METHOD_POST, .target = target, .total_ms = CALL_MS};
    c->call = agent_call_start(c->g, c->s, &req, on_told, c);
}

/* A large one is stored as it came; whoever asks for it first has it read, in another thread. */
static int keep_at_hand(struct record_copy *c, struct slice body, struct err *err)
{
    struct result_record *record = result_record_parse(body, err);
    if (!record)
        return -(int)err->code;
    const struct record_key key = {c->s->tenant, c->s->id, current(c)};
    record_cache_put(c->g->records, &key, world_now_ms(c->g->world), record, body.len);
    return 0;
}

static void on_record(int status, struct slice body, const struct err *err, void *user)
{
    struct record_copy *c = user;
    struct err bad;
    c->call = NULL;
    if (err) {
        finish(c, err);
        return;
    }
    if (status == 404 || status == 409) { /* forgotten, or it runs: nothing to copy now */
        c->at++;
        next(c);
        return;
    }
    if (status != 200) {
        agent_call_problem(status, body, &bad);
        finish(c, &bad);
        return;
    }
    if (body.len <= LOOP_AT_ONCE_BYTES && keep_at_hand(c, body, &bad) < 0) {
        finish(c, &bad);
        return;
    }
    c->in_store = true;
    result_store_put_record(c->g->results, c->s->id, current(c), body, on_stored, c);
}

static void finish_later(void *user)
{
    struct record_copy *c = user;
    c->in_store = false;
    if (c->done)
        finish(c, NULL);
    else
        free_copy(c);
}

static void next(struct record_copy *c)
{
    char target[128];
    while (c->at < json_count(c->ids) && !current(c))
        c->at++;
    if (c->at >= json_count(c->ids)) {
        c->in_store = true; /* cancel leaves the freeing to the callback that comes */
        loop_defer(c->g->loop, finish_later, c);
        return;
    }
    target_of(c, "record", target, sizeof(target));
    const struct agent_call_request req = {.method = HTTP_METHOD_GET,
                                           .target = target,
                                           .total_ms = CALL_MS,
                                           .reply_max = RESULT_RECORD_MAX};
    c->call = agent_call_start(c->g, c->s, &req, on_record, c);
}

struct record_copy *record_copy_start(struct gateway *g, struct session *s, struct json_t *ids,
                                      record_copy_done_f *done, void *user)
{
    struct record_copy *c = mem_alloc(sizeof(*c));
    c->g = g;
    c->s = session_ref(s);
    c->ids = json_ref(ids);
    c->done = done;
    c->user = user;
    next(c);
    return c;
}

void record_copy_cancel(struct record_copy **copy)
{
    struct record_copy *c = *copy;
    if (!c)
        return;
    *copy = NULL;
    c->done = NULL;
    if (!c->in_store)
        free_copy(c);
}
