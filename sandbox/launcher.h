/* launcher.h - starts user code: pipes, a leader, the seccomp filter, then exec.
 *
 * The leader is a fork of the agent that stays: a child subreaper, so that everything the code
 * starts, daemons included, hangs below it for as long as the execution lasts. It holds no
 * descriptor but the report pipe, takes no signal, and tells what wait() said of the code. When
 * nothing is left below it, it ends. Ownership: on success the caller owns the descriptors (all
 * close-on-exec, ours non-blocking) and must reap the leader. Errors:    ERR_UNAVAILABLE when the
 * system refuses a pipe or a process (the pids limit). */
#pragma once
#include "base/err.h"
#include <stdint.h>
#include <sys/types.h>

struct launch {
    char *const *argv; /* argv[0] is an absolute path */
    char *const *envp;
    const char *cwd;
    bool value_pipe; /* descriptor 3 of the code */
};

struct launched {
    pid_t leader;
    int stdin_fd; /* we write */
    int stdout_fd;
    int stderr_fd;
    int value_fd; /* -1: none */
    int report_fd;
};

enum launch_report_kind {
    LAUNCH_EXITED = 1, /* value: status of wait() */
    LAUNCH_FAILED      /* value: errno; the code never ran */
};

enum launch_step { LAUNCH_STEP_FORK, LAUNCH_STEP_CWD, LAUNCH_STEP_FILTER, LAUNCH_STEP_EXEC };

struct launch_report {
    int32_t kind;
    int32_t value;
    int32_t step;  /* of LAUNCH_FAILED */
    int32_t alone; /* of LAUNCH_EXITED: nothing else was left below the leader */
};

int launcher_start(const struct launch *l, struct launched *out, struct err *err) CHECK_RESULT;
