#include "sandbox/event_stream.h"
#include "base/json.h"
#include "sandbox/utf8.h"
#include <inttypes.h>

#define CHARACTER_MAX 4

static bool all_entries_told(const struct event_source *s, const struct event_cursor *c)
{
    return c->entry == s->journal->count;
}

bool event_stream_needs_meta(const struct event_source *s, const struct event_cursor *c)
{
    return s->result.ended && all_entries_told(s, c);
}

/* ---- outputs ---- */

struct piece {
    uint64_t start, skipped;
    size_t len;
    char bytes[EVENT_PIECE + 1];
};

static size_t cut_at_character(const char *bytes, size_t len)
{
    for (size_t n = 1; n < CHARACTER_MAX && n < len; n++)
        if (utf8_length(bytes + len - n, n) == UTF8_INCOMPLETE)
            return len - n;
    return len;
}

/* What there is of [from, end): one piece, cut at a character where the entry goes on. */
static void take_piece(const struct output_view *v, uint64_t from, uint64_t end, struct piece *p)
{
    uint64_t tail = output_view_tail_start(v), stop = end;
    bool gap = tail > v->head.len;
    *p = (struct piece){.start = from};
    if (gap && from >= v->head.len && from < tail) {
        p->start = tail < end ? tail : end;
        p->skipped = p->start - from;
    } else if (gap && from < v->head.len && end > v->head.len) {
        stop = v->head.len;
    }
    uint64_t left = stop - p->start;
    p->len = left < EVENT_PIECE ? (size_t)left : EVENT_PIECE;
    if (p->len > 0)
        output_view_copy(v, p->start, p->len, p->bytes);
    if (p->len < left)
        p->len = cut_at_character(p->bytes, p->len);
}

static void print_piece(const struct piece *p, const char *stream, size_t seq, bool last,
                        struct buf *out)
{
    if (last)
        buf_addf(out, "id: %zu\n", seq);
    buf_addf(out, "event: %s\ndata: {\"seq\":%zu,\"offset\":%" PRIu64 ",", stream, seq, p->start);
    if (p->skipped > 0)
        buf_addf(out, "\"skipped\":%" PRIu64 ",", p->skipped);
    buf_add_text(out, "\"text\":");
    json_print_string(out, (struct slice){p->bytes, p->len});
    buf_add_text(out, "}\n\n");
}

static void tell_entry(const struct event_source *s, struct event_cursor *c, struct buf *out)
{
    static struct piece p; /* large; one loop, one thread, and no call comes back here */
    int64_t entry = s->journal->entries[c->entry];
    enum event_output which = entry < 0 ? EVENT_STDERR : EVENT_STDOUT;
    uint64_t bytes = entry < 0 ? 0 - (uint64_t)entry : (uint64_t)entry;
    uint64_t from = c->offset[which];
    uint64_t end = from - c->in_entry + bytes;
    take_piece(which == EVENT_STDOUT ? &s->result.out : &s->result.err, from, end, &p);
    c->offset[which] = p.start + p.len;
    bool last = c->offset[which] == end;
    print_piece(&p, which == EVENT_STDOUT ? "stdout" : "stderr", c->entry + 1, last, out);
    c->in_entry = last ? 0 : c->in_entry + (c->offset[which] - from);
    c->entry += last ? 1 : 0;
}

/* ---- behind the outputs ---- */

static bool has_value(const struct json_t *meta)
{
    const struct json_t *value = json_get(meta, "result");
    return value && !json_is_null(value);
}

static size_t events_behind(const struct json_t *meta)
{
    return (has_value(meta) ? 1 : 0) + json_count(json_get(meta, "display")) + 1;
}

static void print_event(size_t seq, const char *name, const struct json_t *data, struct buf *out)
{
    buf_addf(out, "id: %zu\nevent: %s\ndata: ", seq, name);
    json_print(data, out);
    buf_add_text(out, "\n\n");
}

static void print_value(size_t seq, const struct json_t *meta, struct buf *out)
{
    struct json_t *data = json_new_object();
    json_set(data, "text", json_ref(json_get(meta, "result")));
    print_event(seq, "result", data, out);
    json_free(data);
}

static void tell_behind(const struct event_source *s, struct event_cursor *c, struct buf *out)
{
    const struct json_t *meta = s->result.meta;
    struct json_t *displays = json_get(meta, "display");
    size_t images = json_count(displays), values = has_value(meta) ? 1 : 0;
    size_t seq = s->journal->count + c->after + 1;
    if (c->after < values)
        print_value(seq, meta, out);
    else if (c->after < values + images)
        print_event(seq, "image", json_item(displays, c->after - values), out);
    else
        print_event(seq, "exit", meta, out);
    c->after++;
}

bool event_stream_is_finished(const struct event_source *s, const struct event_cursor *c)
{
    return s->result.ended && all_entries_told(s, c) && c->after >= events_behind(s->result.meta);
}

enum event_step event_stream_next(const struct event_source *s, struct event_cursor *c,
                                  struct buf *out)
{
    if (!all_entries_told(s, c)) {
        tell_entry(s, c, out);
        return EVENT_STEP_TOLD;
    }
    if (!s->result.ended)
        return EVENT_STEP_WAIT;
    if (event_stream_is_finished(s, c))
        return EVENT_STEP_FINISHED;
    tell_behind(s, c, out);
    return EVENT_STEP_TOLD;
}

/* ---- where a watcher begins ---- */

int event_stream_seek(const struct event_source *s, int64_t last, struct event_cursor *out,
                      struct err *err)
{
    const struct event_journal *j = s->journal;
    size_t told = (size_t)last, all = j->count;
    *out = (struct event_cursor){0};
    if (s->result.ended) {
        all += events_behind(s->result.meta);
        told = told < all ? told : all; /* nothing follows, whatever the client saw elsewhere */
    }
    if (last < 0 || told > all)
        return err_set(err, ERR_INVALID_ARGUMENT, "there is no event %" PRId64 " yet", last);
    while (out->entry < j->count && out->entry < told) {
        int64_t entry = j->entries[out->entry++];
        out->offset[entry < 0 ? EVENT_STDERR : EVENT_STDOUT] +=
            entry < 0 ? 0 - (uint64_t)entry : (uint64_t)entry;
    }
    out->after = told - out->entry;
    return 0;
}

int event_stream_last(struct slice field, int64_t *last, struct err *err)
{
    *last = 0;
    for (size_t i = 0; i < field.len; i++) {
        if (field.at[i] < '0' || field.at[i] > '9')
            return err_set(err, ERR_INVALID_ARGUMENT, "Last-Event-ID must be the id of an event");
        if (*last <= INT32_MAX) /* beyond every event; larger is no other */
            *last = *last * 10 + (field.at[i] - '0');
    }
    return 0;
}
