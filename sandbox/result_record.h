/* result_record.h - the stored form of a result: written by the agent, kept by the result store,
 * read by the gateway. Pure.
 *
 * One line of JSON (the result object without outputs, their byte counts, and the journal of
 * events), a line feed, the bytes of stdout's head and tail and of stderr's head and tail. */
#pragma once
#include "sandbox/event_stream.h"

#define RESULT_RECORD_MAX ((size_t)12 * 1024 * 1024)

struct result_record {
    struct json_t *meta;
    struct output_view out;
    struct output_view err;
    struct event_journal journal;
    char *bytes;
};

/* Appends the record of an ended execution, whose events nobody saw. */
void result_record_print(const struct result_source *s, struct buf *out);
void result_record_print_events(const struct event_source *s, struct buf *out);
/* Gives a record (copies what it needs), or NULL: ERR_STORE says what is wrong with the bytes. */
struct result_record *result_record_parse(struct slice text, struct err *err) CHECK_RESULT;
void result_record_free(struct result_record **r);
/* Borrows from the record; `ended` is true. */
struct result_source result_record_source(const struct result_record *r);
struct event_source result_record_events(const struct result_record *r);
