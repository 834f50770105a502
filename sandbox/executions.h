/* executions.h - the executions of a session, the newest last: found by id, counted, and let go
 * once they are stored.
 *
 * At most 64 ended ones are kept, within a budget of memory; the oldest stored one goes first, one
 * that is not stored never does. What went leaves its id behind: within an incarnation no id ever
 * runs twice. */
#pragma once
#include "sandbox/execution.h"
#include "sandbox/past_executions.h"

#define EXECUTIONS_KEPT_MAX   64
#define EXECUTIONS_KEPT_BYTES ((size_t)32 * 1024 * 1024)
#define EXECUTIONS_EVER_MAX   65536

struct executions {
    struct execution **items;
    size_t count, cap;
    struct past_executions past; /* those that went */
};

void executions_init(struct executions *l);
void executions_fini(struct executions *l); /* all must have ended */
struct execution *executions_find(const struct executions *l, const char *id);
struct execution *executions_find_leader(const struct executions *l, pid_t leader);
struct execution *executions_newest(const struct executions *l);
size_t executions_running(const struct executions *l);
/* Lets go of stored ones until another fits. ERR_TOO_MANY_EXECUTIONS, ERR_QUOTA_EXCEEDED. */
int executions_make_room(struct executions *l, int64_t running_max, struct err *err) CHECK_RESULT;
void executions_add(struct executions *l, struct execution *e); /* takes */
