/* warm.h - interpreters that are started before they are needed, so that a run need not wait for
 * one.
 *
 * A language says in languages.yaml how: `warm: fork` keeps a server that forks the next run's
 * processes in advance (Python), `warm: once` keeps one interpreter that waits for its program and
 * is used up by it (Node.js). Either runs the language's command with --warm in the place of the
 * code's file, has the walls of every run, holds no secret and no socket but descriptor 4, on which
 * the run's command, folder and environment come (warm_spare.h). A run is the same as a cold one;
 * where it could not be, where there is no warm interpreter, or where it does not answer, the
 * caller starts cold.
 *
 * Ownership: heap object; the languages and texts given are borrowed. Loop: all on the loop;
 * warm_launch() may block for the time of a fork, for at most WARM_ANSWER_MS.
 * Callbacks: none but `busy`, which must not call back. */
#pragma once
#include "base/loop.h"
#include "sandbox/language.h"
#include "sandbox/launcher.h"

#define WARM_ANSWER_MS 250

struct warm;

struct warm_host {
    struct loop *loop;
    const struct languages *languages;
    const char *runtimes; /* folder */
    const char *workspace;
    /* Something runs: then no interpreter is started in its way. */
    bool (*busy)(void *user);
    void *user;
};

struct warm_run {
    const struct language *language;
    const struct text_list *command;               /* as a cold start would execute it */
    const struct text_list *env;                   /* whole */
    const struct text_list *session_env, *run_env; /* what of it was asked for */
    const char *cwd;
};

struct warm *warm_new(const struct warm_host *host) CHECK_RESULT;
/* Starts what is missing, a moment from now, one after the other, while nothing else runs. */
void warm_fill(struct warm *w);
/* False: nothing was run, and nothing will be; start cold. */
bool warm_launch(struct warm *w, const struct warm_run *run, struct launched *out);
/* Ends what waits, for its memory; it is started again when nothing runs. Was there anything? */
bool warm_give_up(struct warm *w);
/* A child of ours ended: true when it was one of these. */
bool warm_reaped(struct warm *w, pid_t pid);
/* Their process numbers, for those who look for strays; returns how many. */
size_t warm_pids(const struct warm *w, pid_t *out, size_t max);
