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
    int control_fd;  /* becomes its descriptor 4; borrowed; 0: none */
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
    LAUNCH_FAILED,     /* value: errno; the code never ran */
    LAUNCH_LED         /* value: the leader's number; the first word of one that a server forked */
};

enum launch_step { LAUNCH_STEP_FORK, LAUNCH_STEP_CWD, LAUNCH_STEP_FILTER, LAUNCH_STEP_EXEC };

struct launch_report {
    int32_t kind;
    int32_t value;
    int32_t step;  /* of LAUNCH_FAILED */
    int32_t alone; /* of LAUNCH_EXITED: nothing else was left below the leader */
};

int launcher_start(const struct launch *l, struct launched *out, struct err *err) CHECK_RESULT;

/* The same pipes without a process: `theirs` go to a server that forks the run. */
enum { LAUNCH_STDIN, LAUNCH_STDOUT, LAUNCH_STDERR, LAUNCH_VALUE, LAUNCH_REPORT, LAUNCH_PIPES };
struct launch_pipes {
    int ours[LAUNCH_PIPES];
    int theirs[LAUNCH_PIPES];
};
int launcher_open_pipes(struct launch_pipes *p, bool value, struct err *err) CHECK_RESULT;
void launcher_close(int fds[LAUNCH_PIPES]); /* -1: none */

/* Starts a server of runs: our direct child, without a leader, so that what it clones beside itself
 * is our child too. It has the filter, empty pipes as 0 to 2, and l->control_fd as 4. */
int launcher_start_server(const struct launch *l, pid_t *out, struct err *err) CHECK_RESULT;
