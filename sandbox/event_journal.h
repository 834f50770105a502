/* event_journal.h - in which order an execution wrote its outputs: what the numbers of its events
 * stand for, the same for every watcher, live or from the stored record. Pure.
 *
 * One entry is one event: so many bytes of one stream, never ending inside of a character that is
 * still to come. The first entries come as the program writes; a program that goes on for long gets
 * fewer and larger ones, so that the journal stays small whatever it does. */
#pragma once
#include "sandbox/output.h"

struct json_t;

#define EVENT_JOURNAL_MAX 16384

enum event_output { EVENT_STDOUT, EVENT_STDERR, EVENT_OUTPUTS };

struct event_journal {
    int64_t *entries; /* bytes; below zero: of stderr */
    size_t count, cap;
    uint64_t covered[EVENT_OUTPUTS]; /* bytes of each stream that are in entries */
    int64_t last_ms;
};

void event_journal_init(struct event_journal *j, int64_t now_ms);
void event_journal_fini(struct event_journal *j);
/* Makes an entry of what the stream has more. Returns 0, or in how many milliseconds it shall be
 * tried again because entries come too fast. `final`: nothing more will come. */
int64_t event_journal_add(struct event_journal *j, enum event_output which,
                          const struct output_view *v, int64_t now_ms, bool final);
size_t event_journal_memory(const struct event_journal *j);

/* An array of numbers; gives. */
struct json_t *event_journal_print(const struct event_journal *j);
/* Of what the above gave; false when the entries say more than there is. NULL: no entries. */
bool event_journal_parse(struct event_journal *j, const struct json_t *array, uint64_t out_total,
                         uint64_t err_total);
