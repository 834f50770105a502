/* result_record.h - the stored form of a result: written by the agent, kept by the result store,
 * read by the gateway. Pure.
 *
 * One line of JSON (the result object without outputs, their byte counts, and the journal of
 * events), a line feed, the bytes of stdout's head and tail and of stderr's head and tail. */
#pragma once
#include "sandbox/event_stream.h"

/* The most that a stream may keep (limits.output): a record is copied in one piece. */
#define RESULT_OUTPUT_MAX ((int64_t)8 * 1024 * 1024)
/* Displays are most of the line. */
#define RESULT_LINE_MAX   ((size_t)12 * 1024 * 1024)
#define RESULT_RECORD_MAX (RESULT_LINE_MAX + 2 * (size_t)RESULT_OUTPUT_MAX)

struct result_record {
    unsigned references;
    size_t stored_bytes; /* what it was read from */
    struct json_t *meta;
    char fingerprint[65]; /* exec_fingerprint.h; "": unknown */
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
/* For who needs it longer than its owner may; result_record_free() takes a reference back. */
struct result_record *result_record_ref(struct result_record *r) CHECK_RESULT;
void result_record_free(struct result_record **r);
/* Borrows from the record; `ended` is true. */
struct result_source result_record_source(const struct result_record *r);
struct event_source result_record_events(const struct result_record *r);
