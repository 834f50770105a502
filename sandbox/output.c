#include "sandbox/output.h"
#include "base/cc.h"
#include "base/mem.h"
#include <stdlib.h>

#define FIRST_CAP 4096

void output_init(struct output *o, size_t keep)
{
    *o = (struct output){.half = keep / 2 > 0 ? keep / 2 : 1};
}

void output_fini(struct output *o)
{
    free(o->head);
    free(o->tail);
    *o = (struct output){.half = o->half};
}

static void grow(char **bytes, size_t *cap, size_t need, size_t max)
{
    if (need <= *cap)
        return;
    size_t next = *cap ? *cap : FIRST_CAP;
    while (next < need)
        next *= 2;
    *cap = next < max ? next : max;
    *bytes = mem_resize(*bytes, *cap);
}

static struct slice add_head(struct output *o, struct slice in)
{
    size_t room = o->half - o->head_len;
    size_t n = in.len < room ? in.len : room;
    if (n > 0) {
        grow(&o->head, &o->head_cap, o->head_len + n, o->half);
        memcpy(o->head + o->head_len, in.at, n);
        o->head_len += n;
    }
    return (struct slice){in.at + n, in.len - n};
}

static struct slice fill_tail(struct output *o, struct slice in)
{
    size_t room = o->half - o->tail_len;
    size_t n = in.len < room ? in.len : room;
    if (n > 0) {
        grow(&o->tail, &o->tail_cap, o->tail_len + n, o->half);
        memcpy(o->tail + o->tail_len, in.at, n);
        o->tail_len += n;
    }
    return (struct slice){in.at + n, in.len - n};
}

/* The tail is full: what comes replaces its oldest bytes. */
static void wrap_tail(struct output *o, struct slice in)
{
    if (in.len > o->half) {
        in.at += in.len - o->half;
        in.len = o->half;
    }
    size_t first = o->half - o->tail_at;
    if (first > in.len)
        first = in.len;
    memcpy(o->tail + o->tail_at, in.at, first);
    memcpy(o->tail, in.at + first, in.len - first);
    o->tail_at = (o->tail_at + in.len) % o->half;
}

void output_add(struct output *o, struct slice bytes)
{
    if (bytes.len == 0)
        return;
    o->total += bytes.len;
    struct slice rest = add_head(o, bytes);
    rest = fill_tail(o, rest);
    if (rest.len > 0)
        wrap_tail(o, rest);
}

struct output_view output_view(const struct output *o)
{
    return (struct output_view){
        .total = o->total,
        .head = {o->head, o->head_len},
        .tail = {{o->tail ? o->tail + o->tail_at : NULL, o->tail_len - o->tail_at},
                 {o->tail, o->tail_at}},
    };
}

size_t output_memory(const struct output *o)
{
    return o->head_cap + o->tail_cap;
}

uint64_t output_view_tail_start(const struct output_view *v)
{
    return v->total - v->tail[0].len - v->tail[1].len;
}

uint64_t output_view_dropped(const struct output_view *v)
{
    return output_view_tail_start(v) - v->head.len;
}

/* Copies the part of [from, from+len) that lies in `piece`, which begins at offset `at`. */
static void copy_part(struct slice piece, uint64_t at, uint64_t from, size_t len, char *out)
{
    uint64_t start = from > at ? from : at;
    uint64_t end = from + len < at + piece.len ? from + len : at + piece.len;
    if (start < end)
        memcpy(out + (start - from), piece.at + (start - at), (size_t)(end - start));
}

void output_view_copy(const struct output_view *v, uint64_t from, size_t len, char *out)
{
    uint64_t tail = output_view_tail_start(v);
    INVARIANT(from + len <= v->total);
    INVARIANT(from >= tail || from + len <= v->head.len || tail == v->head.len);
    copy_part(v->head, 0, from, len, out);
    copy_part(v->tail[0], tail, from, len, out);
    copy_part(v->tail[1], tail + v->tail[0].len, from, len, out);
}
