/* http_in.h - bytes that were read and not yet parsed: a window into the shared read buffer
 * during a read, into memory of its own between reads (inside of http/). */
#pragma once
#include "base/slice.h"

/* Of one connection in one turn of the loop, which would read on for as long as bytes come: then
 * the others are looked after first. */
#define HTTP_IN_TURN_BYTES ((size_t)256 * 1024)

struct http_in {
    struct slice window;
    char *kept;
    size_t kept_cap;
};

/* New bytes behind those that wait; borrows them when none do, until http_in_keep(). */
void http_in_add(struct http_in *in, const char *at, size_t len);
void http_in_drop(struct http_in *in, size_t used);
/* Before the read buffer is used again: copies what is left of a borrowed window. Frees what is not
 * needed. */
void http_in_keep(struct http_in *in);
void http_in_clear(struct http_in *in);
