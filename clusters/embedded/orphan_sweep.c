#include "clusters/embedded/orphan_sweep.h"
#include "base/log.h"
#include "base/mem.h"
#include "clusters/embedded/process_stat.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#define DEAD_MAX 1024 /* in one sweep; the rest is next time's */

struct dead {
    pid_t pids[DEAD_MAX];
    unsigned count;
};

struct orphan_sweep {
    struct loop *loop;
    struct timer *timer;
    struct dead before; /* seen dead by the last sweep */
};

static bool is_dead(pid_t pid)
{
    struct process_stat stat;

    return process_stat_read(pid, &stat) && stat.state == 'Z';
}

static bool holds(const struct dead *d, pid_t pid)
{
    for (unsigned i = 0; i < d->count; i++)
        if (d->pids[i] == pid)
            return true;
    return false;
}

/* Children of one of our threads. */
static unsigned sweep_thread(const char *thread, const struct dead *before, struct dead *now)
{
    char path[300];
    unsigned reaped = 0;
    int pid = 0;
    FILE *f = NULL;

    snprintf(path, sizeof path, "/proc/self/task/%s/children", thread);
    f = fopen(path, "re");
    while (f && fscanf(f, "%d", &pid) == 1) {
        if (!is_dead((pid_t)pid))
            continue;
        if (holds(before, (pid_t)pid))
            reaped += waitpid((pid_t)pid, NULL, WNOHANG) == (pid_t)pid ? 1 : 0;
        else if (now->count < DEAD_MAX)
            now->pids[now->count++] = (pid_t)pid;
    }
    if (f)
        fclose(f);
    return reaped;
}

static void sweep(void *user)
{
    struct orphan_sweep *s = user;
    struct dead now = {.count = 0};
    DIR *d = opendir("/proc/self/task");
    unsigned reaped = 0;

    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.')
            reaped += sweep_thread(e->d_name, &s->before, &now);
    if (d)
        closedir(d);
    s->before = now;
    if (reaped)
        LOG(LOG_DEBUG, "orphans_reaped", KV("count", (int64_t)reaped));
}

struct orphan_sweep *orphan_sweep_new(struct loop *l)
{
    struct orphan_sweep *s = mem_alloc(sizeof *s);

    s->loop = l;
    s->timer = timer_new(loop_world(l), sweep, s);
    timer_start(loop_world(l), s->timer, ORPHAN_SWEEP_MS, ORPHAN_SWEEP_MS);
    return s;
}

void orphan_sweep_free(struct orphan_sweep **s)
{
    if (!*s)
        return;
    timer_free(loop_world((*s)->loop), &(*s)->timer);
    free(*s);
    *s = NULL;
}
