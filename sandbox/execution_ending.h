/* execution_ending.h - how a run ended, and how that is said: status, exit code, signal, value,
 * error. Pure. */
#pragma once
#include "base/slice.h"
#include "sandbox/execution.h"
#include "sandbox/value_report.h"

struct execution_ending {
    enum execution_cause cause;
    bool has_wait_status;
    int wait_status;
    bool compiling;     /* the program had not begun */
    bool alone;         /* nothing else was left when the code ended */
    bool memory_killed; /* the kernel killed for memory in this container meanwhile */
    enum { EXECUTION_NO_CONTEXT, EXECUTION_CONTEXT_KEPT, EXECUTION_CONTEXT_ENDED } context;
    int launch_errno; /* EXECUTION_BY_FAILURE */
    int launch_step;
};

/* completed failed timeout killed oom */
/* All is known. What exited had ended by itself, whoever wished to end it just then. */
void execution_ending_settle(struct execution_ending *n);
const char *execution_ending_status(const struct execution_ending *n);
/* Sets exit_code, signal, result, display and error; `n` NULL: still running, all null. */
void execution_ending_print(const struct execution_ending *n, struct slice value_bytes,
                            struct json_t *result);
/* RFC 3339 with milliseconds, UTC; 0 gives null. */
void execution_ending_set_time(struct json_t *j, const char *member, int64_t wall_ms);
/* "SIGSEGV"; out takes 24 bytes. */
void execution_ending_signal_name(int signum, char *out);
