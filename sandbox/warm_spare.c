#include "sandbox/warm_spare.h"
#include "sandbox/control_socket.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct launched NOTHING = {0, -1, -1, -1, -1, -1};

void warm_spare_init(struct warm_spare *s)
{
    *s = (struct warm_spare){.launched = NOTHING};
}

static int open_control(int *ours, int *theirs, struct err *err)
{
    if (control_socket_pair(ours, theirs))
        return 0;
    return err_set_errno(err, ERR_UNAVAILABLE, errno, "cannot open a socket");
}

static void wait_for_word(struct warm_spare *s, struct loop *loop, int fd, loop_f *heard,
                          void *user)
{
    s->ready = false;
    s->control = fd_watch_new(loop, fd, heard, user);
    fd_watch_for_read(s->control);
}

int warm_spare_start(struct warm_spare *s, struct loop *loop, struct launch *l, loop_f *heard,
                     void *user, struct err *err)
{
    int ours, theirs;
    int rc = open_control(&ours, &theirs, err);
    if (rc < 0)
        return rc;
    l->control_fd = theirs;
    rc = launcher_start(l, &s->launched, err);
    close(theirs);
    if (rc < 0)
        close(ours);
    else
        wait_for_word(s, loop, ours, heard, user);
    return rc;
}

static bool send_ends(int server_fd, const struct launch_pipes *p, int control)
{
    int fds[LAUNCH_PIPES + 1];
    for (int i = 0; i < LAUNCH_PIPES; i++)
        fds[i] = p->theirs[i];
    fds[LAUNCH_PIPES] = control;
    return control_socket_send(server_fd, (struct slice){"S", 1}, fds, LAUNCH_PIPES + 1);
}

int warm_spare_ask(struct warm_spare *s, struct loop *loop, int server_fd, bool value,
                   loop_f *heard, void *user, struct err *err)
{
    struct launch_pipes p;
    int ours, theirs;
    int rc = open_control(&ours, &theirs, err);
    if (rc < 0)
        return rc;
    rc = launcher_open_pipes(&p, value, err);
    if (rc == 0 && !send_ends(server_fd, &p, theirs)) {
        rc = err_set_errno(err, ERR_UNAVAILABLE, errno, "the server does not listen");
        launcher_close(p.ours);
        launcher_close(p.theirs);
    } else if (rc == 0) {
        launcher_close(p.theirs);
        s->launched = (struct launched){0,
                                        p.ours[LAUNCH_STDIN],
                                        p.ours[LAUNCH_STDOUT],
                                        p.ours[LAUNCH_STDERR],
                                        p.ours[LAUNCH_VALUE],
                                        p.ours[LAUNCH_REPORT]};
        wait_for_word(s, loop, ours, heard, user);
    }
    close(theirs);
    if (rc < 0)
        close(ours);
    return rc;
}

/* One that a server forked has a leader that said its number before it said anything else. */
static bool know_leader(struct warm_spare *s)
{
    struct launch_report r;
    if (s->launched.leader > 0)
        return true;
    if (read(s->launched.report_fd, &r, sizeof(r)) != (ssize_t)sizeof(r) || r.kind != LAUNCH_LED)
        return false;
    s->launched.leader = (pid_t)r.value;
    return true;
}

/* 'R': it is ready; 'T': it begins; 0: nothing to be heard; -1: it ended. */
static int next_word(struct warm_spare *s)
{
    char word[16];
    ssize_t n = read(fd_watch_fd(s->control), word, sizeof(word));
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n != 1 || (word[0] != 'R' && word[0] != 'T') || !know_leader(s))
        return -1;
    s->ready = true;
    return word[0];
}

bool warm_spare_hear(struct warm_spare *s)
{
    return next_word(s) >= 0;
}

static void forget(struct warm_spare *s)
{
    fd_watch_free(&s->control);
    s->launched = NOTHING;
    s->ready = false;
}

/* Between its word and our shutting there is an order (unix(7)): what it sent before is here to be
 * read, what it sends behind fails. */
static enum warm_spare_answer withdraw(struct warm_spare *s)
{
    int word;
    shutdown(fd_watch_fd(s->control), SHUT_RD);
    do
        word = next_word(s);
    while (word == 'R');
    return word == 'T' ? WARM_SPARE_BEGINS : WARM_SPARE_SILENT;
}

/* It may have its own word to say before. */
static enum warm_spare_answer await(struct warm_spare *s, int wait_ms)
{
    for (;;) {
        struct pollfd p = {.fd = fd_watch_fd(s->control), .events = POLLIN};
        int n = poll(&p, 1, wait_ms);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return withdraw(s);
        int word = next_word(s);
        if (word < 0)
            return WARM_SPARE_ENDED;
        if (word == 'T')
            return WARM_SPARE_BEGINS;
    }
}

enum warm_spare_answer warm_spare_give(struct warm_spare *s, struct slice message, int wait_ms,
                                       struct launched *out)
{
    if (s->launched.leader > 0)
        kill(s->launched.leader, SIGCONT); /* a stopped leader would not tell the end */
    if (!control_socket_send(fd_watch_fd(s->control), message, NULL, 0))
        return WARM_SPARE_ENDED;
    enum warm_spare_answer answer = await(s, wait_ms);
    if (answer == WARM_SPARE_BEGINS) {
        *out = s->launched;
        forget(s);
    }
    return answer;
}

void warm_spare_drop(struct warm_spare *s)
{
    const struct launched *l = &s->launched;
    const int fds[] = {l->stdin_fd, l->stdout_fd, l->stderr_fd, l->value_fd, l->report_fd};
    if (l->leader > 0)
        kill(l->leader, SIGKILL);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    forget(s);
}
