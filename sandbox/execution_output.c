#include "sandbox/execution_output.h"

void execution_output_init(struct execution_output *o, size_t keep, int64_t now_ms)
{
    for (size_t i = 0; i < EVENT_OUTPUTS; i++)
        output_init(&o->streams[i], keep);
    event_journal_init(&o->journal, now_ms);
    buf_init(&o->value, VALUE_REPORT_BYTES_MAX);
}

void execution_output_fini(struct execution_output *o)
{
    for (size_t i = 0; i < EVENT_OUTPUTS; i++)
        output_fini(&o->streams[i]);
    event_journal_fini(&o->journal);
    buf_fini(&o->value);
}

void execution_output_add_value(struct execution_output *o, struct slice bytes)
{
    size_t room = VALUE_REPORT_BYTES_MAX - o->value.len;
    buf_add(&o->value, bytes.at, bytes.len < room ? bytes.len : room);
}

uint64_t execution_output_total(const struct execution_output *o)
{
    return o->streams[EVENT_STDOUT].total + o->streams[EVENT_STDERR].total;
}

size_t execution_output_memory(const struct execution_output *o)
{
    return output_memory(&o->streams[EVENT_STDOUT]) + output_memory(&o->streams[EVENT_STDERR]) +
           event_journal_memory(&o->journal) + o->value.cap;
}

int64_t execution_output_tell(struct execution_output *o, int64_t now_ms, bool final)
{
    int64_t longest = 0;
    for (size_t i = 0; i < EVENT_OUTPUTS; i++) {
        struct output_view v = output_view(&o->streams[i]);
        int64_t later = event_journal_add(&o->journal, (enum event_output)i, &v, now_ms, final);
        longest = later > longest ? later : longest;
    }
    return longest;
}
