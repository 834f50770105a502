#include "sandbox/result_record.h"
#include "base/json.h"
#include "base/mem.h"
#include <stdio.h>
#include <stdlib.h>

static struct json_t *counts(const struct output_view *v)
{
    struct json_t *j = json_new_object();
    json_set_int(j, "total", (int64_t)v->total);
    json_set_int(j, "head", (int64_t)v->head.len);
    json_set_int(j, "tail", (int64_t)(v->tail[0].len + v->tail[1].len));
    return j;
}

static void print_bytes(const struct output_view *v, struct buf *out)
{
    const struct slice pieces[] = {v->head, v->tail[0], v->tail[1]};
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++)
        if (pieces[i].len > 0)
            buf_add(out, pieces[i].at, pieces[i].len);
}

static void print_record(const struct result_source *s, struct json_t *events /* takes */,
                         struct buf *out)
{
    INVARIANT(s->ended);
    struct json_t *line = json_copy(s->meta);
    struct json_t *outputs = json_new_object();
    json_set(outputs, "stdout", counts(&s->out));
    json_set(outputs, "stderr", counts(&s->err));
    json_set(line, "outputs", outputs);
    if (events)
        json_set(line, "events", events);
    json_print(line, out);
    json_free(line);
    buf_add_text(out, "\n");
    print_bytes(&s->out, out);
    print_bytes(&s->err, out);
}

void result_record_print(const struct result_source *s, struct buf *out)
{
    print_record(s, NULL, out);
}

void result_record_print_events(const struct event_source *s, struct buf *out)
{
    print_record(&s->result, event_journal_print(s->journal), out);
}

/* Takes this stream's head and tail from the front of *bytes. False when the counts contradict each
 * other. */
static bool take_stream(const struct json_t *counted, struct slice *bytes, struct output_view *v)
{
    int64_t total = json_int(json_get(counted, "total"), -1);
    int64_t head = json_int(json_get(counted, "head"), -1);
    int64_t tail = json_int(json_get(counted, "tail"), -1);
    if (total < 0 || head < 0 || tail < 0 || (uint64_t)head > bytes->len ||
        (uint64_t)tail > bytes->len - (uint64_t)head || head + tail > total)
        return false;
    v->total = (uint64_t)total;
    v->head = (struct slice){bytes->at, (size_t)head};
    v->tail[0] = (struct slice){bytes->at + head, (size_t)tail};
    v->tail[1] = (struct slice){bytes->at, 0};
    bytes->at += head + tail;
    bytes->len -= (size_t)(head + tail);
    return true;
}

static bool take_outputs(struct result_record *r, struct slice rest)
{
    r->bytes = mem_text_n(rest.len > 0 ? rest.at : "", rest.len);
    struct slice bytes = {r->bytes, rest.len};
    bool good =
        json_get_text(r->meta, "status", NULL) != NULL &&
        take_stream(json_at(r->meta, "outputs", "stdout", NULL), &bytes, &r->out) &&
        take_stream(json_at(r->meta, "outputs", "stderr", NULL), &bytes, &r->err) &&
        bytes.len == 0 &&
        event_journal_parse(&r->journal, json_get(r->meta, "events"), r->out.total, r->err.total);
    json_remove(r->meta, "outputs");
    json_remove(r->meta, "events");
    return good;
}

struct result_record *result_record_parse(struct slice text, struct err *err)
{
    const char *end = text.len > 0 ? memchr(text.at, '\n', text.len) : NULL;
    if (!end) {
        err_set(err, ERR_STORE, "the stored result has no first line");
        return NULL;
    }
    struct slice line = {text.at, (size_t)(end - text.at)};
    struct err why = {0};
    struct json_t *meta = json_parse_object(line, &why);
    if (!meta) {
        err_set(err, ERR_STORE, "the stored result is not readable: %.300s", why.msg);
        return NULL;
    }
    struct result_record *r = mem_alloc(sizeof(*r));
    r->references = 1;
    r->stored_bytes = text.len;
    r->meta = meta;
    snprintf(r->fingerprint, sizeof(r->fingerprint), "%s", json_get_text(meta, "fingerprint", ""));
    json_remove(meta, "fingerprint"); /* between us: no part of the result */
    if (!take_outputs(r, (struct slice){end + 1, text.len - line.len - 1})) {
        err_set(err, ERR_STORE, "the stored result contradicts itself");
        result_record_free(&r);
    }
    return r;
}

struct result_record *result_record_ref(struct result_record *r)
{
    r->references++;
    return r;
}

void result_record_free(struct result_record **rp)
{
    struct result_record *r = *rp;
    *rp = NULL;
    if (!r || --r->references > 0)
        return;
    json_free(r->meta);
    event_journal_fini(&r->journal);
    free(r->bytes);
    free(r);
}

struct result_source result_record_source(const struct result_record *r)
{
    return (struct result_source){.meta = r->meta, .out = r->out, .err = r->err, .ended = true};
}

struct event_source result_record_events(const struct result_record *r)
{
    return (struct event_source){result_record_source(r), &r->journal};
}
