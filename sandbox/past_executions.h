/* past_executions.h - the executions that were stored and let go: enough of each that its id never
 * runs twice. Pure, but for its memory.
 *
 * An id is kept as the first bytes of its SHA-256, as is the body it came with: who makes two ids
 * that look alike is refused an execution of his own, and no more. 65,536 of them take 1 MB. */
#pragma once
#include "base/buf.h"
#include "base/digest.h"

#define PAST_EXECUTION_ID_BYTES   6
#define PAST_EXECUTION_ID_HEX     (2 * (size_t)PAST_EXECUTION_ID_BYTES)
#define PAST_EXECUTION_BODY_BYTES 8

struct past_execution {
    uint8_t id[PAST_EXECUTION_ID_BYTES];
    uint8_t body[PAST_EXECUTION_BODY_BYTES];
    uint8_t status;
};

struct past_executions {
    struct past_execution *items; /* in the order in which they went */
    size_t count, cap;
};

void past_executions_fini(struct past_executions *p);
/* `fingerprint`: hex, the body's; `status`: one of an ended execution. */
void past_executions_add(struct past_executions *p, const char *id, const char *fingerprint,
                         const char *status);
/* NULL when unknown. */
const struct past_execution *past_executions_find(const struct past_executions *p, const char *id);
bool past_execution_is(const struct past_execution *e, const char *fingerprint);
const char *past_execution_status(const struct past_execution *e);
/* Appends PAST_EXECUTION_ID_HEX digits an id, with nothing between. */
void past_executions_print(const struct past_executions *p, struct buf *out);
