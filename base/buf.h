/* buf.h - bytes that grow up to a maximum given at the start.
 *
 * Ownership: the buffer owns its bytes; buf_fini() frees. buf_slice() borrows until the next
 * change. Errors:    an append beyond the maximum appends nothing, marks the buffer
 * (buf_overflowed) and returns false. */
#pragma once
#include "base/cc.h"
#include "base/slice.h"
#include <stdbool.h>

struct buf {
    char *data;
    size_t len;
    size_t cap;
    size_t max;
    bool overflowed;
};

void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);
/* For an empty one: memory for so many bytes and no more, where that is known. */
void buf_expect(struct buf *b, size_t len);
bool buf_add(struct buf *b, const void *bytes, size_t len);
/* As buf_add() of `len` bytes that the caller writes to where it points, at once. */
char *buf_extend(struct buf *b, size_t len);
bool buf_add_text(struct buf *b, const char *text);
bool buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_consume(struct buf *b, size_t len); /* drops bytes at the front */
void buf_clear(struct buf *b);
char *buf_text(struct buf *b); /* NUL-terminated view, borrowed */
static inline struct slice buf_slice(const struct buf *b)
{
    return (struct slice){b->data, b->len};
}
