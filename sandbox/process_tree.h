/* process_tree.h - the processes of the container, as /proc tells: who is whose child. parse and
 * mark are pure. */
#pragma once
#include "base/cc.h"
#include "base/slice.h"
#include <stdbool.h>
#include <sys/types.h>

struct process {
    pid_t pid;
    pid_t parent;
    char state; /* R S D Z T … */
    bool over;  /* a zombie, with all its threads */
    bool marked;
};

struct process_tree {
    struct process *items;
    size_t count, cap;
};

/* Reads all processes; false when /proc cannot be read. */
bool process_tree_read(struct process_tree *t);
void process_tree_fini(struct process_tree *t);
/* One /proc/PID/stat: "PID (COMM) STATE PPID …", where COMM may hold anything. False for what has
 * the number 0: in gVisor one that ended while it was read. Whoever signalled that would signal
 * himself, and process 1 would be its child. */
bool process_tree_parse(struct slice stat, struct process *out);
/* Marks all descendants of `root`, not itself, but those that are over. A zombie whose threads live
 * on is marked: only its first thread has ended. */
void process_tree_mark(struct process_tree *t, pid_t root);
