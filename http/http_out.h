/* http_out.h - bytes on their way out of a socket: written at once where possible, else
 * gathered (inside of http/).
 *
 * Ownership: embedded in a connection, whose stream must be closed (and its close callback run)
 *            before http_out_fini(). Loop:      `done` runs on the loop when a write that had
 *            to wait has ended; never inside a call. */
#pragma once
#include "base/buf.h"
#include <uv.h>

struct http_out;
struct http_flight;
typedef void http_out_done_f(struct http_out *o, int status,
                             void *user); /* status: 0 or uv's error */

struct http_out {
    uv_stream_t *stream;
    http_out_done_f *done;
    void *user;
    struct buf waiting;
    struct http_flight *flight; /* being written, NULL: nothing */
    size_t seen;                /* of the flight, when progress was last looked for */
};

void http_out_init(struct http_out *o, uv_stream_t *stream, http_out_done_f *done, void *user);
void http_out_fini(struct http_out *o);
/* Sends at once if `now` and nothing waits before; copies what stays. Negative uv error: the socket
 * is of no use. */
int http_out_send(struct http_out *o, const uv_buf_t *parts, unsigned count, bool now);
int http_out_flush(struct http_out *o);
size_t http_out_waiting(const struct http_out *o);
/* Whether some bytes of the flight went out since this was last asked. */
bool http_out_moved(struct http_out *o);
static inline bool http_out_empty(const struct http_out *o)
{
    return o->flight == NULL && o->waiting.len == 0;
}
static inline uv_buf_t http_out_part(const char *at, size_t len)
{
    return uv_buf_init((char *)(uintptr_t)at, (unsigned)len);
}
