/* event_stream.h - an execution as server-sent events, the same from a live execution (agent) as
 * from a stored record (gateway). Pure.
 *
 * Events 1…n are the entries of the journal, then `result`, one `image` for each display, and
 * `exit`. An entry larger than a piece comes as several events of one seq; only the last one has
 * the id, so that who resumes misses nothing. Bytes that were dropped meanwhile are told as
 * `skipped`. */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include "sandbox/event_journal.h"
#include "sandbox/result_page.h"

#define EVENT_PIECE ((size_t)32 * 1024) /* bytes of output in one event */
/* One event as it is printed: the displays of an execution may be all in one. */
#define EVENT_TEXT_MAX ((size_t)10 * 1024 * 1024)

/* All borrowed. */
struct event_source {
    struct result_source result; /* its meta is needed once it has ended */
    const struct event_journal *journal;
};

/* How far one watcher is. */
struct event_cursor {
    size_t entry;      /* the next */
    uint64_t in_entry; /* bytes of it that are done */
    uint64_t offset[EVENT_OUTPUTS];
    size_t after; /* events behind the entries that are done */
};

enum event_step {
    EVENT_STEP_TOLD,    /* one event was appended */
    EVENT_STEP_WAIT,    /* nothing yet */
    EVENT_STEP_FINISHED /* nothing follows */
};

/* Whether the next event is one that needs result.meta. */
bool event_stream_needs_meta(const struct event_source *s, const struct event_cursor *c);
enum event_step event_stream_next(const struct event_source *s, struct event_cursor *c,
                                  struct buf *out);
/* Every event was told, and it has ended. Needs meta. */
bool event_stream_is_finished(const struct event_source *s, const struct event_cursor *c);
/* Behind the event `last`; 0 is the beginning. Behind the end of what has ended nothing follows;
 * ERR_INVALID_ARGUMENT when there is no such event yet. */
int event_stream_seek(const struct event_source *s, int64_t last, struct event_cursor *out,
                      struct err *err) CHECK_RESULT;
/* The field Last-Event-ID; 0 when there is none. ERR_INVALID_ARGUMENT. */
int event_stream_last(struct slice field, int64_t *last, struct err *err) CHECK_RESULT;
