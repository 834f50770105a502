/* multipart.h - multipart/form-data (RFC 7578) from bytes as they come, with limits. Pure: no I/O.
 *
 * A body is never held: part heads are at most MULTIPART_HEAD_MAX bytes, of the parts' bytes only
 * what may be the beginning of a delimiter waits, and it is known what that is. Ownership: the
 * parser is the caller's; what callbacks get is borrowed. Errors: ERR_BAD_REQUEST with the cause; a
 * callback's negative return ends the parsing and is passed on. Not re-entrant. */
#pragma once
#include "base/cc.h"
#include "base/err.h"
#include "base/slice.h"

#define MULTIPART_HEAD_MAX     ((size_t)8 * 1024)
#define MULTIPART_PREAMBLE_MAX ((size_t)4 * 1024)
#define MULTIPART_PARTS_MAX    16u

struct multipart;

struct multipart_part {
    const char *name;      /* "" when the part has none */
    const char *file_name; /* as it was sent; NULL: none */
};

struct multipart_events {
    int (*on_part)(const struct multipart_part *part, void *user, struct err *err);
    int (*on_data)(struct slice piece, void *user, struct err *err);
    int (*on_part_end)(void *user, struct err *err);
};

/* From the request's Content-Type: ERR_UNSUPPORTED_MEDIA_TYPE, or ERR_BAD_REQUEST when the boundary
 * is missing or not one (RFC 2046 §5.1.1). */
struct multipart *multipart_new(struct slice content_type, const struct multipart_events *events,
                                void *user, struct err *err) CHECK_RESULT;
void multipart_free(struct multipart **m);
int multipart_feed(struct multipart *m, struct slice in, struct err *err) CHECK_RESULT;
/* The body has ended. ERR_BAD_REQUEST unless the closing delimiter was there. */
int multipart_finish(const struct multipart *m, struct err *err) CHECK_RESULT;
