#include "sandbox/result_page.h"
#include "base/base64.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/utf8.h"
#include <inttypes.h>
#include <stdlib.h>

#define LOOK_AHEAD 3 /* the rest of the longest character whose first byte is the page's last */

struct page {
    uint64_t start;
    uint64_t skipped;
    size_t len;
    bool binary;
    char *bytes;
};

/* Counts how many bytes of whole characters fit into `want`; at least one character if there is
 * one. */
static size_t cut_at_character(const char *bytes, size_t have, size_t want, bool more_may_come,
                               bool *binary)
{
    size_t i = 0;
    while (i < want) {
        int n = utf8_length(bytes + i, have - i);
        if (n == UTF8_INCOMPLETE && more_may_come)
            break;
        if (n <= 0) {
            *binary = true;
            i++;
            continue;
        }
        if (i > 0 && i + (size_t)n > want)
            break;
        i += (size_t)n;
    }
    return i;
}

static void fill(const struct output_view *v, uint64_t region_end, bool ended, int64_t limit,
                 bool base64, struct page *p)
{
    uint64_t left = region_end - p->start;
    size_t want = left < (uint64_t)limit ? (size_t)left : (size_t)limit;
    size_t have = left < want + LOOK_AHEAD ? (size_t)left : want + LOOK_AHEAD;
    p->bytes = mem_array(have + 1, 1);
    output_view_copy(v, p->start, have, p->bytes);
    bool more_may_come = !ended && region_end == v->total;
    p->len = base64 ? want : cut_at_character(p->bytes, have, want, more_may_come, &p->binary);
}

static int page_make(const struct output_view *v, const char *stream, int64_t offset, bool ended,
                     const struct result_query *q, struct page *p, struct err *err)
{
    *p = (struct page){.start = (uint64_t)offset};
    if (offset < 0 || (uint64_t)offset > v->total)
        return err_set(err, ERR_OFFSET_BEYOND_END,
                       "%s_offset %" PRId64 " lies behind the end, which is at %" PRIu64, stream,
                       offset, v->total);
    uint64_t tail = output_view_tail_start(v);
    bool gap = tail > v->head.len;
    if (gap && p->start >= v->head.len && p->start < tail) {
        p->skipped = tail - p->start;
        p->start = tail;
    }
    uint64_t region_end = gap && p->start < v->head.len ? v->head.len : v->total;
    fill(v, region_end, ended, q->limit, q->base64, p);
    return 0;
}

static void page_print(const struct page *p, const struct output_view *v, const char *stream,
                       bool base64, struct buf *out)
{
    buf_addf(out, ",\"%s\":", stream);
    if (base64) {
        buf_add_text(out, "\"");
        base64_print(out, (struct slice){p->bytes, p->len});
        buf_add_text(out, "\"");
    } else {
        json_print_string(out, (struct slice){p->bytes, p->len});
    }
    buf_addf(out,
             ",\"%s_offset\":%" PRIu64 ",\"%s_next\":%" PRIu64 ",\"%s_total\":%" PRIu64
             ",\"%s_dropped\":%" PRIu64 ",\"%s_skipped\":%" PRIu64 ",\"%s_binary\":%s",
             stream, p->start, stream, p->start + p->len, stream, v->total, stream,
             output_view_dropped(v), stream, p->skipped, stream, p->binary ? "true" : "false");
}

int result_page_print(const struct result_source *s, const struct result_query *q, struct buf *out,
                      struct err *err)
{
    struct page std_out = {0}, std_err = {0};
    int rc = page_make(&s->out, "stdout", q->stdout_offset, s->ended, q, &std_out, err);
    if (rc == 0)
        rc = page_make(&s->err, "stderr", q->stderr_offset, s->ended, q, &std_err, err);
    if (rc == 0) {
        json_print(s->meta, out);
        if (out->overflowed) /* a record that no agent of ours wrote */
            rc = err_set(err, ERR_STORE, "the result is too large to be shown");
    }
    if (rc == 0) {
        INVARIANT(out->len > 2 && out->data[out->len - 1] == '}');
        out->len--; /* the outputs are printed by hand: they need not be UTF-8 and may be large */
        page_print(&std_out, &s->out, "stdout", q->base64, out);
        page_print(&std_err, &s->err, "stderr", q->base64, out);
        bool truncated = output_view_dropped(&s->out) > 0 || output_view_dropped(&s->err) > 0;
        buf_addf(out, ",\"encoding\":\"%s\",\"truncated\":%s}", q->base64 ? "base64" : "utf-8",
                 truncated ? "true" : "false");
    }
    free(std_out.bytes);
    free(std_err.bytes);
    return rc;
}

/* A page that would be empty is no news: the beginning of a character may be all there is. */
static bool stream_has_news(const struct output_view *v, int64_t offset)
{
    if (offset < 0 || (uint64_t)offset > v->total)
        return true; /* an error is news too */
    if ((uint64_t)offset == v->total)
        return false;
    uint64_t left = v->total - (uint64_t)offset;
    if (left > LOOK_AHEAD || output_view_tail_start(v) > v->head.len)
        return true;
    char bytes[LOOK_AHEAD];
    output_view_copy(v, (uint64_t)offset, (size_t)left, bytes);
    return utf8_length(bytes, (size_t)left) != UTF8_INCOMPLETE;
}

bool result_page_has_news(const struct result_source *s, const struct result_query *q)
{
    return s->ended || stream_has_news(&s->out, q->stdout_offset) ||
           stream_has_news(&s->err, q->stderr_offset);
}
