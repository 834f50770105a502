#include "gateway/result_reply.h"

#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "gateway/json_members.h"
#include "gateway/record_cache.h"
#include "gateway/store_damage.h"
#include "http/http_reply.h"
#include "router/result_store.h"
#include "sandbox/result_pending.h"
#include "sandbox/result_record.h"

#include <stdio.h>
#include <stdlib.h>

/* One page on its way: printed on the loop, or in another thread. */
struct page {
    struct request *r;
    struct result_source source;
    struct result_query q;
    struct result_record *record; /* referenced, or NULL */
    struct buf text;
    struct err err;
    int rc;
};

static void print_page(void *user)
{
    struct page *p = user;
    buf_init(&p->text, RESULT_PAGE_MAX);
    p->rc = result_page_print(&p->source, &p->q, &p->text, &p->err);
}

/* An agent's words: what is no name does not become a header field. */
static void say_execution(struct request *r, const char *execution_id, const char *status)
{
    if (session_id_is_name(slice_of(execution_id)))
        http_reply_header(r->x, "Spillway-Execution-Id", execution_id);
    if (session_id_is_name(slice_of(status)))
        http_reply_header(r->x, "Spillway-Execution-Status", status);
}

void result_reply_as_told(struct request *r, int status, struct slice page)
{
    char eid[EXECUTION_ID_SIZE] = "", word[16] = "";
    json_members_text(page, "execution_id", eid, sizeof(eid));
    json_members_text(page, "status", word, sizeof(word));
    say_execution(r, eid, word);
    request_reply(r, status, "application/json", page);
}

static void reply_page(struct page *p)
{
    if (p->rc < 0) {
        request_problem(p->r, &p->err);
    } else {
        say_execution(p->r, json_get_text(p->source.meta, "execution_id", ""),
                      json_get_text(p->source.meta, "status", ""));
        request_reply(p->r, 200, "application/json", buf_slice(&p->text));
    }
    buf_fini(&p->text);
}

static void on_printed(void *user)
{
    struct page *p = user;
    reply_page(p);
    result_record_free(&p->record);
    free(p);
}

static void reply_source(struct request *r, const struct result_source *source,
                         const struct result_query *q)
{
    struct page p = {.r = r, .source = *source, .q = *q};
    print_page(&p);
    reply_page(&p);
}

static bool is_of_another_body(const struct request *r, const struct result_record *record)
{
    return *r->fingerprint && *record->fingerprint &&
           strcmp(r->fingerprint, record->fingerprint) != 0;
}

void result_reply_record(struct request *r, struct result_record *record,
                         const struct result_query *q)
{
    struct result_source source = result_record_source(record);
    if (is_of_another_body(r, record)) {
        request_problemf(r, ERR_EXECUTION_CONFLICT, "execution %s had another body",
                         json_get_text(record->meta, "execution_id", ""));
        return;
    }
    if (record->stored_bytes <= LOOP_AT_ONCE_BYTES) {
        reply_source(r, &source, q);
        return;
    }
    struct page *p = mem_alloc(sizeof(*p));
    *p = (struct page){.r = r, .source = source, .q = *q, .record = result_record_ref(record)};
    loop_work(r->g->loop, print_page, on_printed, p);
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
    struct slice value; /* owned, while another thread reads it */
    struct result_record *record;
    struct err err;
};

static void parse(struct lookup *l, struct slice value)
{
    l->record = result_record_parse(value, &l->err);
}

static void take_parsed(struct lookup *l)
{
    struct request *r = l->r;
    struct gateway *g = r->g;
    const struct record_key key = {r->tenant, r->id, l->execution_id};
    if (!l->record) {
        store_damage_err(g, "record", r->id, &l->err);
        request_problem(r, &l->err);
    } else {
        struct result_record *shown = result_record_ref(l->record);
        record_cache_put(g->records, &key, world_now_ms(g->world), l->record, shown->stored_bytes);
        l->reply(r, shown, &l->q); /* the request may be gone then */
        result_record_free(&shown);
    }
    free(l);
}

static void parse_in_thread(void *user)
{
    struct lookup *l = user;
    parse(l, l->value);
}

static void on_parsed(void *user)
{
    struct lookup *l = user;
    free((char *)(uintptr_t)l->value.at);
    take_parsed(l);
}

static void on_record(const struct slice *value, const struct err *err, void *user)
{
    struct lookup *l = user;
    struct request *r = l->r;
    if (value && value->len > LOOP_AT_ONCE_BYTES) {
        l->value = (struct slice){mem_text_n(value->at, value->len), value->len};
        loop_work(r->g->loop, parse_in_thread, on_parsed, l);
    } else if (value) {
        parse(l, *value);
        take_parsed(l);
    } else {
        request_step_f *missing = l->missing;
        free(l);
        if (err)
            request_problemf(r, ERR_UNAVAILABLE, "the result store does not answer: %.200s",
                             err->msg);
        else
            missing(r);
    }
}

struct result_record *result_reply_cached(const struct request *r, const char *execution_id,
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
    struct result_record *record = result_reply_cached(r, execution_id, 0);
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
