#include "clusters/embedded/exit_watch.h"
#include "base/mem.h"
#include "base/world.h"
#include "clusters/embedded/process_stat.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#define PARENT_LOOK_MS 5
#define PARENT_MS      2000 /* how long it may take the parent to be gone */

struct exit_watch {
    uv_poll_t poll;
    struct world *world;
    struct timer *again;
    int64_t ended_ms;
    pid_t pid;
    int fd;
    exit_watch_f *on_exit;
    void *user;
};

int exit_watch_reap_orphans(struct err *err)
{
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
        return err_set_errno(err, ERR_SYSTEM, errno, "PR_SET_CHILD_SUBREAPER");
    return 0;
}

static void on_closed(uv_handle_t *h)
{
    struct exit_watch *w = h->data;

    close(w->fd);
    free(w);
}

void exit_watch_stop(struct exit_watch **w)
{
    if (!*w)
        return;
    timer_free((*w)->world, &(*w)->again);
    uv_close((uv_handle_t *)&(*w)->poll, on_closed);
    *w = NULL;
}

/* crun starts a container from a process of its own, which may outlive both crun and the
 * container's first process: that one is not ours to ask for before its parent has gone. */
static bool may_become_ours(const struct exit_watch *w)
{
    struct process_stat stat;

    return world_now_ms(w->world) - w->ended_ms < PARENT_MS && process_stat_read(w->pid, &stat) &&
           stat.state == 'Z';
}

static void ask(void *user)
{
    struct exit_watch *w = user;
    struct exit_watch_result r = {.known = false};
    int wait_status = 0;

    if (waitpid(w->pid, &wait_status, WNOHANG) == w->pid) {
        r.known = true;
        r.signal = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0;
        r.exit_status = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : -1;
    } else if (may_become_ours(w)) {
        timer_start(w->world, w->again, PARENT_LOOK_MS, 0);
        return;
    }
    w->on_exit(&r, w->user);
}

static void on_readable(uv_poll_t *p, int status, int events)
{
    struct exit_watch *w = p->data;

    (void)status;
    (void)events;
    uv_poll_stop(p);
    w->ended_ms = world_now_ms(w->world);
    ask(w);
}

int exit_watch_start(struct loop *l, pid_t pid, exit_watch_f *on_exit, void *user,
                     struct exit_watch **out, struct err *err)
{
    struct exit_watch *w = mem_alloc(sizeof *w);
    int rc = 0;

    w->pid = pid;
    w->on_exit = on_exit;
    w->user = user;
    w->fd = pidfd_open(pid, 0);
    if (w->fd < 0) {
        rc = err_set_errno(err, ERR_SYSTEM, errno, "pidfd_open %d", (int)pid);
        free(w);
        return rc;
    }
    rc = uv_poll_init(loop_uv(l), &w->poll, w->fd);
    if (rc < 0) {
        close(w->fd);
        free(w);
        return err_set(err, ERR_SYSTEM, "poll of a pidfd: %s", uv_strerror(rc));
    }
    w->poll.data = w;
    w->world = loop_world(l);
    w->again = timer_new(w->world, ask, w);
    uv_poll_start(&w->poll, UV_READABLE, on_readable);
    *out = w;
    return 0;
}

void exit_watch_signal(const struct exit_watch *w, int signum)
{
    pidfd_send_signal(w->fd, signum, NULL, 0);
}

pid_t exit_watch_pid(const struct exit_watch *w)
{
    return w->pid;
}
