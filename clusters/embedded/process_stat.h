/* process_stat.h - some fields of /proc/PID/stat (proc_pid_stat(5)). */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct process_stat {
    pid_t parent;
    int64_t start_ticks; /* since the machine's start */
    char state;          /* 'Z': it has ended, and its parent has not asked how */
};

/* False: there is no such process. */
bool process_stat_read(pid_t pid, struct process_stat *out);
