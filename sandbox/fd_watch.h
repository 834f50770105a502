/* fd_watch.h - tells when a pipe end can be read or written (libuv's poll).
 *
 * Ownership: the watch takes the descriptor and closes it in fd_watch_free(), at once: no callback
 * follows. Callbacks: on the loop, never before the call that asked for them returned; may free the
 * watch. */
#pragma once
#include "base/loop.h"

struct fd_watch;

struct fd_watch *fd_watch_new(struct loop *l, int fd, loop_f *fn, void *user) CHECK_RESULT;
void fd_watch_for_read(struct fd_watch *w);
void fd_watch_for_write(struct fd_watch *w);
void fd_watch_stop(struct fd_watch *w);
int fd_watch_fd(const struct fd_watch *w);
void fd_watch_free(struct fd_watch **w); /* NULL accepted */
