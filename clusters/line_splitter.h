/* line_splitter.h - lines out of a stream that is cut anywhere: a watch is one JSON object a line.
 * Pure.
 *
 * Ownership: a line is borrowed and valid during its callback; it comes without its line feed.
 * Empty lines are passed over. */
#pragma once
#include "base/buf.h"
#include "base/slice.h"
#include <stdbool.h>

struct line_splitter {
    struct buf partial;
};

/* False: stop, nothing of the rest is wanted. */
typedef bool line_splitter_f(struct slice line, void *user);

enum line_splitter_result { LINE_SPLITTER_MORE, LINE_SPLITTER_STOPPED, LINE_SPLITTER_TOO_LONG };

void line_splitter_init(struct line_splitter *s, size_t line_max);
void line_splitter_fini(struct line_splitter *s);
void line_splitter_clear(struct line_splitter *s);
enum line_splitter_result line_splitter_feed(struct line_splitter *s, struct slice piece,
                                             line_splitter_f *fn, void *user) CHECK_RESULT;
