#include "sandbox/containment.h"
#include "sandbox/process_tree.h"
#include <signal.h>
#include <unistd.h>

static size_t signal_marked(const struct process_tree *t, int signum)
{
    size_t n = 0;
    for (size_t i = 0; i < t->count; i++)
        if (t->items[i].marked) {
            kill(t->items[i].pid, signum);
            n++;
        }
    return n;
}

static bool is_leader(pid_t pid, const pid_t *leaders, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (leaders[i] == pid)
            return true;
    return false;
}

static void mark_strays(struct process_tree *t, const pid_t *leaders, size_t count)
{
    pid_t self = getpid();
    for (size_t i = 0; i < t->count; i++) {
        const struct process *p = &t->items[i];
        if (p->parent != self || p->over || is_leader(p->pid, leaders, count))
            continue;
        t->items[i].marked = true;
        process_tree_mark(t, p->pid);
    }
}

#define SCANS_MAX 8

/* Stops what it finds until a scan finds nothing new, then kills it all. One scan that finds
 * nothing proves nothing: it can pass by a process whose parent ends at that moment. */
size_t containment_round(pid_t leader)
{
    size_t seen = 0;
    for (int scan = 0; scan < SCANS_MAX; scan++) {
        struct process_tree t;
        if (!process_tree_read(&t))
            return seen;
        process_tree_mark(&t, leader);
        size_t now = signal_marked(&t, SIGSTOP);
        bool stable = scan > 0 && now == seen;
        seen = now;
        if (stable || scan == SCANS_MAX - 1)
            signal_marked(&t, SIGKILL);
        process_tree_fini(&t);
        if (stable)
            break;
    }
    return seen;
}

size_t containment_round_strays(const pid_t *leaders, size_t count)
{
    struct process_tree t;
    if (!process_tree_read(&t))
        return 0;
    mark_strays(&t, leaders, count);
    signal_marked(&t, SIGSTOP);
    size_t n = signal_marked(&t, SIGKILL);
    process_tree_fini(&t);
    return n;
}

bool containment_kill_all(void)
{
    if (getpid() != 1)
        return false;
    kill(-1, SIGKILL);
    return true;
}

size_t containment_count(void)
{
    struct process_tree t;
    if (!process_tree_read(&t))
        return 0;
    size_t n = t.count;
    process_tree_fini(&t);
    return n;
}
