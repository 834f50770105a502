/* long_poll.h - requests that wait for something to change, each with its own limit of time.
 *
 * Callbacks: `answer` is asked on every wake (at the end of a turn of the loop, so that a burst is
 * one wake), and once with `time_up` when the time is over or the client has gone: then it must end
 * the exchange. It returns true when it did. `left` runs once behind it, also for an answer that
 * came at once. Ownership: `item` is the caller's, freed in `left` if it must be. */
#pragma once
#include "http/http_server.h"

struct long_polls;
typedef bool long_poll_answer_f(struct http_exchange *x, void *item, bool time_up);
typedef void long_poll_left_f(void *item);

struct long_polls *long_polls_new(struct loop *l) CHECK_RESULT;
/* Answers at once when it can; else waits up to wait_ms. */
void long_polls_add(struct long_polls *p, struct http_exchange *x, int64_t wait_ms,
                    long_poll_answer_f *answer, long_poll_left_f *left, void *item);
void long_polls_wake(struct long_polls *p);
