/* execution_census.h - asks an agent what ever ran in it, for its session's tombstone: the
 * executions that it keeps, and the ids of those that it let go.
 *
 * Callback: once, on a later turn, unless cancelled. Ownership: holds the session. An agent is not
 * believed: what is no list of executions counts as not told. */
#pragma once
#include "base/cc.h"
#include "base/err.h"
#include <stdbool.h>

struct gateway;
struct session;
struct json_t;
struct execution_census;

struct execution_told {
    struct json_t *kept; /* array of {execution_id, status, …}; NULL: not told. Borrowed */
    struct json_t
        *let_go;   /* text of digests (tombstone_knows()); NULL: none, or not told. Borrowed */
    bool complete; /* there are no others */
};
/* err: the agent did not answer, and may be asked again. */
typedef void execution_census_f(const struct execution_told *told, const struct err *err,
                                void *user);

struct execution_census *execution_census_start(struct gateway *g, struct session *s,
                                                execution_census_f *done, void *user) CHECK_RESULT;
void execution_census_cancel(struct execution_census **c);
