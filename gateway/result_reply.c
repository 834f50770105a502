#include "gateway/result_reply.h"

#include "base/json.h"
#include "base/mem.h"
#include "gateway/record_cache.h"
#include "gateway/store_damage.h"
#include "http/http_reply.h"
#include "router/result_store.h"
#include "sandbox/result_pending.h"
#include "sandbox/result_record.h"

#include <stdio.h>
#include <stdlib.h>

static void reply_source(struct request *r, const struct result_source *source,
                         const struct result_query *q)
{
    struct buf text;
    struct err err;
    buf_init(&text, RESULT_PAGE_MAX);
    const char *eid = json_get_text(source->meta, "execution_id", "");
    const char *status = json_get_text(source->meta, "status", "");
    if (result_page_print(source, q, &text, &err) < 0) {
        buf_fini(&text);
        request_problem(r, &err);
        return;
    }
    /* A record is an agent's word: what is no name does not become a header field. */
    if (session_id_is_name(slice_of(eid)))
        http_reply_header(r->x, "Spillway-Execution-Id", eid);
    if (session_id_is_name(slice_of(status)))
        http_reply_header(r->x, "Spillway-Execution-Status", status);
    request_reply(r, 200, "application/json", buf_slice(&text));
    buf_fini(&text);
}

void result_reply_record(struct request *r, const struct result_record *record,
                         const struct result_query *q)
{
    struct result_source source = result_record_source(record);
    reply_source(r, &source, q);
}

void result_reply_pending(struct request *r, const struct result_query *q)
{
    struct json_t *meta = result_pending_meta(r->id);
    struct result_source source = {.meta = meta};
    reply_source(r, &source, q);
    json_free(meta);
}

void result_reply_lost(struct request *r, const char *execution_id, const struct result_query *q)
{
    struct json_t *meta = result_pending_meta(r->id);
    struct result_query from_start = *q;
    struct result_source source = {.meta = meta, .ended = true};
    json_set_text(meta, "execution_id", execution_id);
    json_set_text(meta, "status", "lost");
    from_start.stdout_offset = from_start.stderr_offset =
        0; /* nothing is left that could be paged */
    reply_source(r, &source, &from_start);
    json_free(meta);
}

struct lookup {
    struct request *r;
    struct result_query q;
    char execution_id[EXECUTION_ID_SIZE];
    request_step_f *missing;
    result_reply_f *reply;
};

static void on_record(const struct slice *value, const struct err *err, void *user)
{
    struct lookup *l = user;
    struct request *r = l->r;
    struct err bad;
    if (err) {
        request_problemf(r, ERR_UNAVAILABLE, "the result store does not answer: %.200s", err->msg);
    } else if (!value) {
        l->missing(r);
    } else {
        struct result_record *record = result_record_parse(*value, &bad);
        if (!record) {
            store_damage_err(r->g, "record", r->id, &bad);
            request_problem(r, &bad);
        } else {
            struct gateway *g = r->g;
            char id[SESSION_ID_SIZE], tenant[SESSION_ID_SIZE];
            const struct record_key key = {tenant, id, l->execution_id};
            snprintf(id, sizeof(id), "%s", r->id);
            snprintf(tenant, sizeof(tenant), "%s", r->tenant);
            l->reply(r, record, &l->q); /* the request is gone then */
            record_cache_put(g->records, &key, world_now_ms(g->world), record, value->len);
        }
    }
    free(l);
}

const struct result_record *result_reply_cached(const struct request *r, const char *execution_id,
                                                int64_t since_ms)
{
    const struct record_key key = {r->tenant, r->id, execution_id};
    int64_t kept_ms = world_now_ms(r->g->world) - r->g->conf.limits.tombstone_ms;
    return record_cache_get(r->g->records, &key, since_ms > kept_ms ? since_ms : kept_ms);
}

void result_reply_stored(struct request *r, const char *execution_id, const struct result_query *q,
                         request_step_f *missing)
{
    result_reply_stored_as(r, execution_id, q, missing, result_reply_record);
}

void result_reply_stored_as(struct request *r, const char *execution_id,
                            const struct result_query *q, request_step_f *missing,
                            result_reply_f *reply)
{
    const struct result_record *record = result_reply_cached(r, execution_id, 0);
    if (record) {
        reply(r, record, q);
        return;
    }
    struct lookup *l = mem_alloc(sizeof(*l));
    l->r = r;
    l->q = *q;
    snprintf(l->execution_id, sizeof(l->execution_id), "%s", execution_id);
    l->missing = missing;
    l->reply = reply;
    result_store_get_record(r->g->results, r->id, execution_id, on_record, l);
}
