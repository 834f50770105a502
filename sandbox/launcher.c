#include "sandbox/launcher.h"
#include "sandbox/seccomp_filter.h"
#include "sandbox/write_wall.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DESCRIPTORS_MAX 1024
#define FIRST_FREE      16 /* above what the code gets */

/* Descriptors of the code: 0 to 2, 3 for values, 4 for the agent's words, and the report until
 * exec. */
enum { STDIN = LAUNCH_STDIN, STDOUT, STDERR, VALUE, CONTROL, REPORT_UNTIL_EXEC };

void launcher_close(int fds[LAUNCH_PIPES])
{
    for (int i = 0; i < LAUNCH_PIPES; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

/* Moves a descriptor above those that the code gets, so that dup2() never steps on one that is
 * still needed. */
static int move_up(int fd)
{
    int up = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FREE);
    close(fd);
    return up;
}

static int open_pipe(struct launch_pipes *p, int which)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -1;
    int mine = which == STDIN ? 1 : 0;
    p->ours[which] = fds[mine];
    p->theirs[which] = move_up(fds[1 - mine]);
    if (p->theirs[which] < 0)
        return -1;
    return fcntl(p->ours[which], F_SETFL, O_NONBLOCK);
}

int launcher_open_pipes(struct launch_pipes *p, bool value, struct err *err)
{
    for (int i = 0; i < LAUNCH_PIPES; i++)
        p->ours[i] = p->theirs[i] = -1;
    for (int i = 0; i < LAUNCH_PIPES; i++)
        if ((i != LAUNCH_VALUE || value) && open_pipe(p, i) < 0) {
            int rc = err_set_errno(err, ERR_UNAVAILABLE, errno, "cannot open a pipe");
            launcher_close(p->ours);
            launcher_close(p->theirs);
            return rc;
        }
    return 0;
}

/* ---- below: between fork and exec, where nothing may allocate ---- */

static void report(int fd, enum launch_report_kind kind, int value, int step, bool alone)
{
    struct launch_report r = {(int32_t)kind, value, step, alone};
    ssize_t n;
    do
        n = write(fd, &r, sizeof(r)); /* shorter than PIPE_BUF: whole or not at all */
    while (n < 0 && errno == EINTR);
}

static void NORETURN give_up(int report_fd, enum launch_step step)
{
    report(report_fd, LAUNCH_FAILED, errno, (int)step, false);
    _exit(127);
}

/* Ends where the kernel has no close_range() (5.9). */
static void close_from(unsigned first)
{
    if (syscall(SYS_close_range, first, ~0u, 0) == 0)
        return;
    for (int fd = (int)first; fd < DESCRIPTORS_MAX * 4; fd++)
        close(fd);
}

static void default_signals(void)
{
    struct sigaction dfl = {.sa_handler = SIG_DFL};
    for (int i = 1; i < NSIG; i++)
        sigaction(i, &dfl, NULL);
}

/* The memory killer shall take the code before the agent. Needs a dumpable process to open the
 * file, and comes behind the filter so that no neighbour can get hold of one that is not under it.
 */
static void volunteer_for_memory_killer(void)
{
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t n = write(fd, "900", 3);
    (void)n; /* a preference, not a wall */
    close(fd);
}

static void set_limits(void)
{
    struct rlimit core = {0, 0}, files;
    setrlimit(RLIMIT_CORE, &core);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        if (files.rlim_max > DESCRIPTORS_MAX)
            files.rlim_max = DESCRIPTORS_MAX;
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

/* From here on the code cannot get at process 1, nor at `protected`. */
static int put_up_walls(pid_t protected)
{
    struct seccomp_filter filter;
    seccomp_filter_build(&filter, protected);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || write_wall_put_up() < 0 ||
        seccomp_filter_install(&filter) < 0)
        return -1;
    volunteer_for_memory_killer();
    return 0;
}

static void NORETURN become(const struct launch *l, int report_fd)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(l->argv[0], l->argv, l->envp);
    if (report_fd >= 0)
        give_up(report_fd, LAUNCH_STEP_EXEC);
    _exit(127);
}

static void NORETURN become_code(const struct launch *l, const struct launch_pipes *p, pid_t leader)
{
    setsid();
    umask(022);
    set_limits();
    for (int i = STDIN; i <= VALUE; i++)
        if (p->theirs[i] >= 0)
            dup2(p->theirs[i], i);
    if (l->control_fd > 0)
        dup2(l->control_fd, CONTROL);
    dup2(p->theirs[LAUNCH_REPORT], REPORT_UNTIL_EXEC);
    fcntl(REPORT_UNTIL_EXEC, F_SETFD, FD_CLOEXEC);
    close_from(REPORT_UNTIL_EXEC + 1);
    if (!l->value_pipe)
        close(VALUE);
    if (l->control_fd <= 0)
        close(CONTROL);
    if (chdir(l->cwd) < 0)
        give_up(REPORT_UNTIL_EXEC, LAUNCH_STEP_CWD);
    if (put_up_walls(leader) < 0)
        give_up(REPORT_UNTIL_EXEC, LAUNCH_STEP_FILTER);
    become(l, REPORT_UNTIL_EXEC);
}

static void NORETURN lead(const struct launch *l, const struct launch_pipes *p, pid_t agent)
{
    setsid();
    default_signals(); /* and all stay blocked, as the agent did before the fork */
    prctl(PR_SET_NAME, "leader", 0, 0, 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != agent)
        _exit(1);
    pid_t self = getpid();
    pid_t code = fork();
    if (code == 0)
        become_code(l, p, self);
    if (code < 0)
        give_up(p->theirs[LAUNCH_REPORT], LAUNCH_STEP_FORK);
    dup2(p->theirs[LAUNCH_REPORT], VALUE);
    close_from(VALUE + 1);
    for (int i = STDIN; i <= STDERR; i++)
        close(i);
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, 0);
        if (pid < 0 && errno == ECHILD)
            _exit(0);
        if (pid != code)
            continue;
        bool alone = waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD;
        report(VALUE, LAUNCH_EXITED, status, 0, alone);
    }
}

/* ---- above: between fork and exec ---- */

/* Forks with all signals blocked: no handler of ours may run in the child. */
static pid_t fork_blocked(sigset_t *before)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, before);
    return fork();
}

int launcher_start(const struct launch *l, struct launched *out, struct err *err)
{
    struct launch_pipes p;
    int rc = launcher_open_pipes(&p, l->value_pipe, err);
    if (rc < 0)
        return rc;
    pid_t agent = getpid();
    sigset_t before;
    pid_t leader = fork_blocked(&before);
    if (leader == 0)
        lead(l, &p, agent);
    int sys = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    launcher_close(p.theirs);
    if (leader < 0) {
        launcher_close(p.ours);
        return err_set_errno(err, ERR_UNAVAILABLE, sys, "cannot start a process");
    }
    *out = (struct launched){leader,         p.ours[STDIN], p.ours[STDOUT],
                             p.ours[STDERR], p.ours[VALUE], p.ours[LAUNCH_REPORT]};
    return 0;
}

/* -- servers -- */

/* Pipes, as a run has them, so that the interpreter makes the same streams on top of them. */
static void NORETURN become_server(const struct launch *l, const int empty[2], pid_t agent)
{
    setsid();
    default_signals();
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != agent)
        _exit(1);
    umask(022);
    set_limits();
    dup2(empty[0], STDIN);
    dup2(empty[1], STDOUT);
    dup2(empty[1], STDERR);
    dup2(l->control_fd, CONTROL);
    close(VALUE);
    close_from(CONTROL + 1);
    if (chdir(l->cwd) < 0 || put_up_walls(getpid()) < 0)
        _exit(1);
    become(l, -1);
}

int launcher_start_server(const struct launch *l, pid_t *out, struct err *err)
{
    int empty[2];
    if (pipe2(empty, O_CLOEXEC) < 0)
        return err_set_errno(err, ERR_UNAVAILABLE, errno, "cannot open a pipe");
    empty[0] = move_up(empty[0]);
    empty[1] = move_up(empty[1]);
    pid_t agent = getpid();
    sigset_t before;
    pid_t pid = fork_blocked(&before);
    if (pid == 0)
        become_server(l, empty, agent);
    int sys = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(empty[0]);
    close(empty[1]);
    if (pid < 0)
        return err_set_errno(err, ERR_UNAVAILABLE, sys, "cannot start a process");
    *out = pid;
    return 0;
}
