/* processes.h - the session's processes, as /proc tells, under psutil's names.
 *
 * Listed is what descends from the agent, and the agent itself; `is_protected` says what a client
 * may not signal: the agent, and its own children, which lead executions or wait to. parse is
 * pure. Ownership: processes_fini() frees. */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCESSES_COMMAND_MAX ((size_t)2048)

struct process_info {
    pid_t pid, parent;
    char name[64]; /* as the kernel has it: 15 bytes */
    char state;
    int64_t cpu_ticks;   /* user and system */
    int64_t start_ticks; /* since boot */
    int64_t threads;
    int64_t rss_pages;
};

/* One /proc/PID/stat. */
bool processes_parse_stat(struct slice stat, struct process_info *out);
/* psutil's word for a state's letter. */
const char *processes_status(char state);
/* "TERM", "SIGTERM", "15"; 0: no such signal. */
int processes_signal(const char *text);

/* Appends {"items":[…],"continue":…}: at most `limit`, by number, behind `after`. */
void processes_print(struct buf *out, pid_t after, int limit, int64_t wall_ms);
/* Whose memory is the largest of those that are not the sandbox's own; 0: there is none. */
pid_t processes_find_largest(void);
/* ERR_PROCESS_NOT_FOUND, ERR_FORBIDDEN. */
int processes_kill(pid_t pid, int signum, struct err *err) CHECK_RESULT;
