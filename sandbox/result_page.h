/* result_page.h - one answer to "give me the result": paging of outputs by offset, the same from a
 * live execution (agent) as from a stored record (gateway). Pure.
 *
 * Outputs are bytes with offsets in the stream as it was written. A page is cut at a character,
 * gives at least one, and never crosses the gap of dropped output. What is not UTF-8 shows as
 * U+FFFD and marks the page; base64 gives all bytes. */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include "sandbox/output.h"

struct json_t;

#define RESULT_LIMIT_DEFAULT ((int64_t)256 * 1024)
#define RESULT_LIMIT_MAX     ((int64_t)1024 * 1024)
#define RESULT_WAIT_MAX_S    30
/* A whole answer: both streams with every byte escaped, and the rest of the result. Whoever takes
 * an answer whole takes this much. */
#define RESULT_PAGE_MAX ((size_t)24 * 1024 * 1024)

struct result_query {
    char execution_id[65]; /* "": the newest */
    int64_t stdout_offset;
    int64_t stderr_offset;
    int64_t limit;  /* bytes of each stream */
    int64_t wait_s; /* of a live execution */
    bool base64;
};

/* Where a result comes from; all borrowed. */
struct result_source {
    const struct json_t *meta; /* the result object without outputs */
    struct output_view out;
    struct output_view err;
    bool ended;
};

/* Appends the result object. ERR_OFFSET_BEYOND_END; nothing is appended then. */
int result_page_print(const struct result_source *s, const struct result_query *q, struct buf *out,
                      struct err *err) CHECK_RESULT;
/* Something to show behind the query's offsets, or the end: a waiting poll is answered. */
bool result_page_has_news(const struct result_source *s, const struct result_query *q);
