#include "base/buf.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST_CAP 256

void buf_init(struct buf *b, size_t max)
{
    INVARIANT(max < SIZE_MAX / 2);
    *b = (struct buf){.max = max};
}

void buf_fini(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}

static bool grow(struct buf *b, size_t len)
{
    if (len > b->max - b->len) {
        b->overflowed = true;
        return false;
    }
    size_t need = b->len + len + 1;
    size_t cap = b->cap ? b->cap : FIRST_CAP;
    while (cap < need)
        cap *= 2;
    if (cap > b->max + 1)
        cap = b->max + 1;
    b->data = mem_resize(b->data, cap);
    b->cap = cap;
    return true;
}

/* Makes room for `len` more bytes and a NUL; false and marked when that is beyond the maximum. What
 * there is never exceeds it. */
static bool reserve(struct buf *b, size_t len)
{
    return len < b->cap - b->len || grow(b, len);
}

void buf_expect(struct buf *b, size_t len)
{
    INVARIANT(!b->data);
    if (len > b->max)
        return;
    b->data = mem_alloc(len + 1);
    b->cap = len + 1;
}

char *buf_extend(struct buf *b, size_t len)
{
    if (!reserve(b, len))
        return NULL;
    char *at = b->data + b->len;
    b->len += len;
    return at;
}

bool buf_add(struct buf *b, const void *bytes, size_t len)
{
    char *at = buf_extend(b, len);
    if (at && len)
        memcpy(at, bytes, len);
    return at;
}

bool buf_add_text(struct buf *b, const char *text)
{
    return buf_add(b, text, strlen(text));
}

bool buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    bool fits = len >= 0 && reserve(b, (size_t)len);
    if (fits) {
        vsnprintf(b->data + b->len, (size_t)len + 1, fmt, again);
        b->len += (size_t)len;
    }
    va_end(again);
    return fits;
}

void buf_consume(struct buf *b, size_t len)
{
    INVARIANT(len <= b->len);
    b->len -= len;
    if (b->len && len)
        memmove(b->data, b->data + len, b->len);
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->overflowed = false;
}

char *buf_text(struct buf *b)
{
    bool room = reserve(b, 0); /* cannot fail: the NUL is not counted against the maximum */
    INVARIANT(room);
    b->data[b->len] = '\0';
    return b->data;
}
