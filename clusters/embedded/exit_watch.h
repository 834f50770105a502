/* exit_watch.h - tells when a process ends, by pidfd: our own orphans with their exit status,
 * adopted ones without.
 *
 * The node is a child subreaper (exit_watch_reap_orphans), so that a container's first process
 * becomes its child when crun has gone. After a restart of the node it is somebody else's and only
 * its end can be seen. Callbacks: on_exit exactly once, never before exit_watch_start() returned,
 * not at all after exit_watch_stop(). */
#pragma once
#include "base/cc.h"
#include "base/err.h"
#include "base/loop.h"
#include <stdbool.h>
#include <sys/types.h>

struct exit_watch;

struct exit_watch_result {
    bool known; /* false: the process was not our child */
    int exit_status;
    int signal; /* 0: it exited by itself */
};

typedef void exit_watch_f(const struct exit_watch_result *r, void *user);

int exit_watch_reap_orphans(struct err *err) CHECK_RESULT;
int exit_watch_start(struct loop *l, pid_t pid, exit_watch_f *on_exit, void *user,
                     struct exit_watch **out, struct err *err) CHECK_RESULT;
void exit_watch_stop(struct exit_watch **w); /* NULL accepted */
/* A signal to exactly this process, never to another that got its number. */
void exit_watch_signal(const struct exit_watch *w, int signum);
pid_t exit_watch_pid(const struct exit_watch *w);
