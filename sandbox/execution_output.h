/* execution_output.h - all that a run writes: its two streams, in which order, and what it reports
 * about its value. Pure. */
#pragma once
#include "base/buf.h"
#include "sandbox/event_journal.h"
#include "sandbox/value_report.h"

struct execution_output {
    struct output streams[EVENT_OUTPUTS];
    struct event_journal journal;
    struct buf value; /* value_report.h */
};

/* `keep`: bytes of each stream. */
void execution_output_init(struct execution_output *o, size_t keep, int64_t now_ms);
void execution_output_fini(struct execution_output *o);
void execution_output_add_value(struct execution_output *o, struct slice bytes);
uint64_t execution_output_total(const struct execution_output *o);
size_t execution_output_memory(const struct execution_output *o);
/* Makes events of what came since; 0, or in how many milliseconds to do it again. */
int64_t execution_output_tell(struct execution_output *o, int64_t now_ms, bool final);
