#include "sandbox/warm.h"
#include "base/log.h"
#include "base/mem.h"
#include "sandbox/control_socket.h"
#include "sandbox/fd_watch.h"
#include "sandbox/process_tree.h"
#include "sandbox/seccomp_filter.h"
#include "sandbox/user_env.h"
#include "sandbox/warm_message.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOTS_MAX       8
#define FAILURES_MAX    4          /* in a row, before they were ready: this image cannot */
#define FILL_DELAY_MS   30         /* the first call after a pod's start goes before */
#define FILL_AGAIN_MS   200        /* something runs, or one was lost */
#define READY_WITHIN_MS 20000      /* on a crowded machine */
#define LEADER_MARK     0x5a17c0de /* the leader's number in a server's filter, not known yet */

struct slot {
    struct warm *warm;
    const struct language *language;
    size_t skip; /* texts of the command in front of the code's file */
    pid_t pid;   /* the server, or the leader of the one that waits; 0: none */
    bool ready;
    int failures;
    struct fd_watch *control;
    struct launched launched; /* of one that waits */
    int64_t started_ms;
};

struct warm {
    struct warm_host host;
    struct timer *fill;
    struct slot slots[SLOTS_MAX];
    size_t count;
};

static bool forks(const struct slot *s)
{
    return s->language->warm == LANGUAGE_WARM_FORK;
}

static void close_launched(struct launched *l)
{
    const int fds[] = {l->stdin_fd, l->stdout_fd, l->stderr_fd, l->value_fd, l->report_fd};
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    *l = (struct launched){0, -1, -1, -1, -1, -1};
}

/* The process itself is reaped where all are. */
static void forget(struct slot *s)
{
    if (!s->ready)
        s->failures++;
    s->pid = 0;
    s->ready = false;
    fd_watch_free(&s->control);
    close_launched(&s->launched);
}

static void drop(struct slot *s)
{
    if (s->pid > 0)
        kill(s->pid, SIGKILL);
    forget(s);
    timer_start(loop_world(s->warm->host.loop), s->warm->fill, FILL_AGAIN_MS, 0);
}

/* -- filling -- */

static void on_control(void *user)
{
    struct slot *s = user;
    char word[16];
    ssize_t n = read(fd_watch_fd(s->control), word, sizeof(word));
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n != 1 || word[0] != 'R') {
        drop(s);
        return;
    }
    s->ready = true;
    s->failures = 0;
    fd_watch_stop(s->control);
    LOG(LOG_INFO, "warm_ready", KV("language", (const char *)s->language->name));
    warm_fill(s->warm);
}

/* The command up to the code's file, and --warm in its place. */
static struct text_list start_command(const struct slot *s, const char *runtimes)
{
    const struct text_list none = {0};
    const struct language_places places = {"--warm", "", "", runtimes};
    struct text_list c = language_command(s->language, &places, &none);
    for (size_t i = s->skip + 1; i < c.count; i++)
        free(c.items[i]);
    c.count = s->skip + 1;
    c.items[c.count] = NULL;
    return c;
}

static int launch_slot(struct slot *s, struct launch *l, struct err *err)
{
    if (forks(s)) {
        int rc = launcher_start_server(l, &s->pid, err);
        return rc;
    }
    l->value_pipe = s->language->value;
    int rc = launcher_start(l, &s->launched, err);
    if (rc == 0)
        s->pid = s->launched.leader;
    return rc;
}

/* A server learns the filter at once; one that waits got it when it was started. */
static bool send_filter(int fd)
{
    struct seccomp_filter f;
    seccomp_filter_build(&f, (pid_t)LEADER_MARK);
    struct slice bytes = {(const char *)f.code, f.len * sizeof(f.code[0])};
    return control_socket_send(fd, bytes, NULL, 0);
}

static void start_slot(struct slot *s)
{
    const struct warm_host *h = &s->warm->host;
    const struct text_list none = {0};
    struct err err = {0};
    int ours, theirs;
    if (!control_socket_pair(&ours, &theirs))
        return;
    struct text_list command = start_command(s, h->runtimes);
    struct text_list env = user_env_make(&none, &none);
    struct launch l = {command.items, env.items, h->workspace, false, theirs};
    s->launched = (struct launched){0, -1, -1, -1, -1, -1};
    int rc = launch_slot(s, &l, &err);
    close(theirs);
    text_list_fini(&command);
    text_list_fini(&env);
    s->control = fd_watch_new(h->loop, ours, on_control, s);
    if (rc < 0 || (forks(s) && !send_filter(ours))) {
        LOG(LOG_WARN, "warm_failed", KV("language", (const char *)s->language->name),
            KV("why", (const char *)err.msg));
        drop(s);
        return;
    }
    s->started_ms = world_now_ms(loop_world(h->loop));
    fd_watch_for_read(s->control);
}

static bool is_late(const struct slot *s)
{
    return world_now_ms(loop_world(s->warm->host.loop)) - s->started_ms > READY_WITHIN_MS;
}

/* One at a time: the pod's share of a processor is small. */
static void on_fill(void *user)
{
    struct warm *w = user;
    struct world *world = loop_world(w->host.loop);
    struct slot *next = NULL;
    for (size_t i = w->count; i > 0; i--) {
        struct slot *s = &w->slots[i - 1];
        if (s->pid > 0 && !s->ready && !is_late(s))
            return; /* its word brings us here again */
        if (s->pid > 0 && !s->ready)
            drop(s);
        if (s->pid == 0 && s->failures < FAILURES_MAX)
            next = s;
    }
    if (!next)
        return;
    if (w->host.busy(w->host.user))
        timer_start(world, w->fill, FILL_AGAIN_MS, 0);
    else
        start_slot(next);
}

void warm_fill(struct warm *w)
{
    timer_start(loop_world(w->host.loop), w->fill, FILL_DELAY_MS, 0);
}

/* -- a run -- */

/* Waits for the leader's first word. 1: it came; 0: nobody is there to say it, now or ever; -1: not
 * in time. */
static int await_leader(int report_fd, int wait_ms, pid_t *leader)
{
    struct launch_report r;
    struct pollfd p = {.fd = report_fd, .events = POLLIN};
    int n;
    do
        n = poll(&p, 1, wait_ms);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return -1;
    if (read(report_fd, &r, sizeof(r)) != (ssize_t)sizeof(r) || r.kind != LAUNCH_LED)
        return 0;
    *leader = (pid_t)r.value;
    return 1;
}

/* All write ends of the report are the server's and the leader's: its end is the proof that neither
 * is left, so that a cold start will not be a second one. */
static int make_certain(struct slot *s, int report_fd, pid_t *leader)
{
    struct warm *w = s->warm;
    pid_t server = s->pid;
    LOG(LOG_WARN, "warm_does_not_answer", KV("language", (const char *)s->language->name));
    drop(s);
    waitpid(server, NULL, 0);
    int rc = await_leader(report_fd, WARM_ANSWER_MS, leader);
    for (int i = 0; rc < 0 && i < 8; i++) {
        w->host.kill_strays(w->host.user);
        rc = await_leader(report_fd, WARM_ANSWER_MS, leader);
    }
    return rc;
}

static bool by_server(struct slot *s, struct slice message, struct launched *out)
{
    struct launch_pipes p;
    struct err err = {0};
    if (launcher_open_pipes(&p, s->language->value, &err) < 0)
        return false;
    pid_t leader = 0;
    int rc = 0;
    bool sent = control_socket_send(fd_watch_fd(s->control), message, p.theirs, LAUNCH_PIPES);
    launcher_close(p.theirs);
    if (sent)
        rc = await_leader(p.ours[LAUNCH_REPORT], WARM_ANSWER_MS, &leader);
    if (rc < 0)
        rc = make_certain(s, p.ours[LAUNCH_REPORT], &leader);
    else if (rc == 0)
        drop(s);
    if (rc <= 0) {
        launcher_close(p.ours);
        return false;
    }
    *out = (struct launched){leader,
                             p.ours[LAUNCH_STDIN],
                             p.ours[LAUNCH_STDOUT],
                             p.ours[LAUNCH_STDERR],
                             p.ours[LAUNCH_VALUE],
                             p.ours[LAUNCH_REPORT]};
    return true;
}

/* Stopped by user code of the same session: it would never begin. */
static bool is_awake(pid_t leader)
{
    struct process_tree t;
    bool awake = false;
    if (!process_tree_read(&t))
        return false;
    for (size_t i = 0; i < t.count; i++)
        if (t.items[i].parent == leader && t.items[i].state != 'T' && t.items[i].state != 'Z')
            awake = true;
    process_tree_fini(&t);
    return awake;
}

static bool by_one_that_waits(struct slot *s, struct slice message, struct launched *out)
{
    if (!is_awake(s->pid) || !control_socket_send(fd_watch_fd(s->control), message, NULL, 0)) {
        drop(s);
        return false;
    }
    *out = s->launched;
    s->launched = (struct launched){0, -1, -1, -1, -1, -1};
    forget(s);
    s->failures = 0;
    return true;
}

static struct slot *find(struct warm *w, const struct language *l)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->slots[i].language == l && w->slots[i].pid > 0 && w->slots[i].ready)
            return &w->slots[i];
    return NULL;
}

bool warm_launch(struct warm *w, const struct warm_run *run, struct launched *out)
{
    struct slot *s = find(w, run->language);
    if (!s || !warm_message_env_is_plain(run->session_env) ||
        !warm_message_env_is_plain(run->run_env))
        return false;
    struct buf message;
    buf_init(&message, WARM_MESSAGE_MAX);
    bool done = warm_message_print(&message, run->cwd, run->command, s->skip, run->env);
    if (done)
        done = forks(s) ? by_server(s, buf_slice(&message), out)
                        : by_one_that_waits(s, buf_slice(&message), out);
    buf_fini(&message);
    return done;
}

/* -- the rest -- */

bool warm_reaped(struct warm *w, pid_t pid)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->slots[i].pid == pid) {
            LOG(LOG_WARN, "warm_lost", KV("language", (const char *)w->slots[i].language->name));
            w->slots[i].pid = 0;
            drop(&w->slots[i]);
            return true;
        }
    return false;
}

size_t warm_pids(const struct warm *w, pid_t *out, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < w->count && n < max; i++)
        if (w->slots[i].pid > 0)
            out[n++] = w->slots[i].pid;
    return n;
}

struct warm *warm_new(const struct warm_host *host)
{
    struct warm *w = mem_alloc(sizeof(*w));
    *w = (struct warm){.host = *host};
    w->fill = timer_new(loop_world(host->loop), on_fill, w);
    for (size_t i = 0; i < host->languages->count && w->count < SLOTS_MAX; i++) {
        const struct language *l = &host->languages->items[i];
        size_t skip;
        if (l->warm == LANGUAGE_WARM_NO || !language_installed(l) || !language_file_at(l, &skip))
            continue;
        w->slots[w->count++] = (struct slot){
            .warm = w, .language = l, .skip = skip, .launched = {0, -1, -1, -1, -1, -1}};
    }
    return w;
}
