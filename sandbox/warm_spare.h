/* warm_spare.h - a process that waits for its run: an interpreter below its leader, with a run's
 * pipes, and a socket on which it says that it is ready, hears what to run (warm_message.h), and
 * says that it begins.
 *
 * It is started like a run of its own (once), or forked by a server that was asked to (fork). It
 * begins nothing before it heard of it, and says so first. Who gets no answer in time shuts the
 * socket for it: either it had said so before, or it cannot say so any more and ends.
 *
 * Ownership: plain struct; the descriptors are its own until warm_spare_give() gives them away.
 * Loop: `control` is watched by its owner, who calls warm_spare_hear() when it can be read. */
#pragma once
#include "base/slice.h"
#include "sandbox/fd_watch.h"
#include "sandbox/launcher.h"

struct warm_spare {
    struct launched launched; /* leader 0: not known yet */
    struct fd_watch *control; /* NULL: there is none */
    bool ready;
};

void warm_spare_init(struct warm_spare *s);
static inline bool warm_spare_is_there(const struct warm_spare *s)
{
    return s->control != NULL;
}
/* Starts one; l->control_fd is set here. */
int warm_spare_start(struct warm_spare *s, struct loop *loop, struct launch *l, loop_f *heard,
                     void *user, struct err *err) CHECK_RESULT;
/* Asks the server at the other end of `server_fd` for one. */
int warm_spare_ask(struct warm_spare *s, struct loop *loop, int server_fd, bool value,
                   loop_f *heard, void *user, struct err *err) CHECK_RESULT;
/* False: it ended. */
bool warm_spare_hear(struct warm_spare *s);

enum warm_spare_answer {
    WARM_SPARE_BEGINS, /* the descriptors and the leader are the caller's; the spare is gone */
    WARM_SPARE_ENDED,  /* nobody is there to begin, now or ever */
    WARM_SPARE_SILENT  /* not within `wait_ms`; it will not begin any more: drop it */
};
/* Blocks until it answers. */
enum warm_spare_answer warm_spare_give(struct warm_spare *s, struct slice message, int wait_ms,
                                       struct launched *out);
/* Kills it. */
void warm_spare_drop(struct warm_spare *s);
