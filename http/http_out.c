#include "http/http_out.h"

#include "base/mem.h"
#include <stdlib.h>

#define WAITING_MAX ((size_t)64 * 1024 * 1024)
#define FLUSH_BYTES ((size_t)16 * 1024) /* more does not wait for the end of the turn */
#define KEEP_BYTES  ((size_t)4096)      /* an idle connection stays small */
#define SMALL_BYTES ((size_t)2048)

/* What the socket had no room for: one at a time, and seldom one at all. */
struct http_flight {
    uv_write_t req;
    char *bytes;
};

static void land(struct http_out *o)
{
    if (o->flight == NULL)
        return;
    free(o->flight->bytes);
    free(o->flight);
    o->flight = NULL;
}

void http_out_init(struct http_out *o, uv_stream_t *stream, http_out_done_f *done, void *user)
{
    *o = (struct http_out){.stream = stream, .done = done, .user = user};
    buf_init(&o->waiting, WAITING_MAX);
}

void http_out_fini(struct http_out *o)
{
    buf_fini(&o->waiting);
    land(o);
}

size_t http_out_waiting(const struct http_out *o)
{
    return o->waiting.len + (o->flight != NULL ? uv_stream_get_write_queue_size(o->stream) : 0);
}

bool http_out_moved(struct http_out *o)
{
    size_t left = o->flight != NULL ? uv_stream_get_write_queue_size(o->stream) : 0;
    bool moved = left < o->seen;
    o->seen = left;
    return moved;
}

static void on_written(uv_write_t *req, int status)
{
    struct http_out *o = req->data;
    land(o);
    o->done(o, status, o->user);
}

/* Hands what waits to the loop; its memory flies with the write. */
static int fly(struct http_out *o)
{
    o->flight = mem_alloc(sizeof(*o->flight));
    o->flight->bytes = o->waiting.data;
    o->flight->req.data = o;
    o->seen = o->waiting.len;
    uv_buf_t part = uv_buf_init(o->flight->bytes, (unsigned)o->waiting.len);
    buf_init(&o->waiting, WAITING_MAX);
    int rc = uv_write(&o->flight->req, o->stream, &part, 1, on_written);
    if (rc < 0)
        land(o);
    return rc;
}

int http_out_flush(struct http_out *o)
{
    if (o->flight != NULL || o->waiting.len == 0)
        return 0;
    uv_buf_t part = uv_buf_init(o->waiting.data, (unsigned)o->waiting.len);
    int n = uv_try_write(o->stream, &part, 1);
    if (n < 0 && n != UV_EAGAIN)
        return n;
    if (n > 0)
        buf_consume(&o->waiting, (size_t)n);
    if (o->waiting.len > 0)
        return fly(o);
    if (o->waiting.cap > KEEP_BYTES) {
        buf_fini(&o->waiting);
        buf_init(&o->waiting, WAITING_MAX);
    }
    return 0;
}

/* What `parts` hold beyond the first `skip` bytes waits. */
static int keep_rest(struct http_out *o, const uv_buf_t *parts, unsigned count, size_t skip)
{
    for (unsigned i = 0; i < count; i++) {
        size_t off = skip < parts[i].len ? skip : parts[i].len;
        skip -= off;
        if (!buf_add(&o->waiting, parts[i].base + off, parts[i].len - off))
            return UV_ENOBUFS; /* the writer does not wait for its reader */
    }
    return 0;
}

/* What is small goes out in one piece: copying it costs less than a vector does in the kernel. */
static int try_write(struct http_out *o, const uv_buf_t *parts, unsigned count, size_t total)
{
    char small[SMALL_BYTES];
    size_t len = 0;
    if (count == 1 || total > sizeof(small))
        return uv_try_write(o->stream, parts, count);
    for (unsigned i = 0; i < count; i++) {
        if (parts[i].len > 0)
            memcpy(small + len, parts[i].base, parts[i].len);
        len += parts[i].len;
    }
    uv_buf_t one = uv_buf_init(small, (unsigned)len);
    return uv_try_write(o->stream, &one, 1);
}

int http_out_send(struct http_out *o, const uv_buf_t *parts, unsigned count, bool now)
{
    size_t sent = 0;
    size_t total = 0;
    for (unsigned i = 0; i < count; i++)
        total += parts[i].len;
    if (now && http_out_empty(o)) {
        int n = try_write(o, parts, count, total);
        if (n < 0 && n != UV_EAGAIN)
            return n;
        sent = n > 0 ? (size_t)n : 0;
    }
    if (sent == total)
        return 0;
    int rc = keep_rest(o, parts, count, sent);
    if (rc == 0 && (now || o->waiting.len >= FLUSH_BYTES))
        rc = http_out_flush(o);
    return rc;
}
