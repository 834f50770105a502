/* record_copy.h - copies the results of ended executions from an agent to the result store, one
 * after the other, and tells the agent.
 *
 * Callbacks: `done` once, never before record_copy_start() returned; not after cancel. err NULL:
 * all are safe. On an error those that were copied stay copied; starting again is harmless. */
#pragma once
#include "base/err.h"

struct gateway;
struct session;
struct json_t;
struct record_copy;

typedef void record_copy_done_f(const struct err *err, void *user);

/* `ids`: array of execution ids, shared. */
struct record_copy *record_copy_start(struct gateway *g, struct session *s, struct json_t *ids,
                                      record_copy_done_f *done, void *user) CHECK_RESULT;
void record_copy_cancel(struct record_copy **c); /* NULL accepted */
