#include "sandbox/fd_watch.h"
#include "base/mem.h"
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

struct fd_watch {
    uv_poll_t poll;
    int fd;
    loop_f *fn;
    void *user;
};

struct fd_watch *fd_watch_new(struct loop *l, int fd, loop_f *fn, void *user)
{
    struct fd_watch *w = mem_alloc(sizeof(*w));
    *w = (struct fd_watch){.fd = fd, .fn = fn, .user = user};
    int rc = uv_poll_init(loop_uv(l), &w->poll, fd);
    INVARIANT(rc == 0); /* a pipe can always be polled */
    return w;
}

/* Errors and hang-ups come as an event like any other: the next read or write says what it is. */
static void on_event(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct fd_watch *w = container_of(poll, struct fd_watch, poll);
    w->fn(w->user);
}

void fd_watch_for_read(struct fd_watch *w)
{
    uv_poll_start(&w->poll, UV_READABLE, on_event);
}

void fd_watch_for_write(struct fd_watch *w)
{
    uv_poll_start(&w->poll, UV_WRITABLE, on_event);
}

void fd_watch_stop(struct fd_watch *w)
{
    uv_poll_stop(&w->poll);
}

int fd_watch_fd(const struct fd_watch *w)
{
    return w->fd;
}

static void on_closed(uv_handle_t *handle)
{
    free(container_of((uv_poll_t *)handle, struct fd_watch, poll));
}

void fd_watch_free(struct fd_watch **w)
{
    if (!*w)
        return;
    uv_close((uv_handle_t *)&(*w)->poll, on_closed);
    close((*w)->fd);
    *w = NULL;
}
