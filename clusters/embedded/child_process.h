/* child_process.h - one external command on the loop: standard input given, output collected up to
 * a limit, a deadline.
 *
 * Callbacks: `done` exactly once, never before child_process_run() returned, and not at all when it
 * failed. Ownership: everything given is copied; the result is lent during `done`. A command past
 * its deadline is killed (SIGKILL) and reported with timed_out. */
#pragma once
#include "base/err.h"
#include "base/loop.h"
#include "base/slice.h"
#include <stdbool.h>
#include <stdint.h>

struct child_process_spec {
    const char *const *argv; /* NULL-terminated; argv[0] is looked up in PATH */
    const char *const
        *extra_env; /* "NAME=value", NULL-terminated, added to PATH; NULL: PATH only */
    struct slice input;
    int output_fd; /* standard output and error go there; -1: both are collected together */
    int64_t timeout_ms;
};

struct child_process_result {
    int exit_status; /* -1 when a signal ended it */
    int signal;
    bool timed_out;
    struct slice output;
};

typedef void child_process_done_f(const struct child_process_result *r, void *user);

int child_process_run(struct loop *l, const struct child_process_spec *spec,
                      child_process_done_f *done, void *user, struct err *err) CHECK_RESULT;
/* What failed, in one line, for a message: exit status and the end of the output, printable. */
void child_process_explain(const struct child_process_result *r, char *out, size_t size);
