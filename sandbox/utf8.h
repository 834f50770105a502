/* utf8.h - characters in bytes that may be anything. Pure. */
#pragma once
#include "base/buf.h"
#include "base/slice.h"

#define UTF8_INVALID    0
#define UTF8_INCOMPLETE (-1) /* a good beginning, and then no more bytes */

/* Length 1–4 of the character at `at` (RFC 3629: no surrogates, no overlong forms), or one of the
 * above. `len` > 0. */
int utf8_length(const char *at, size_t len);
/* Appends `text` with every byte that is not UTF-8, and NUL, as U+FFFD: fit for a JSON text that
 * anyone can read back. */
bool utf8_clean(struct buf *out, struct slice text);
