#include "sandbox/warm.h"
#include "base/log.h"
#include "base/mem.h"
#include "sandbox/control_socket.h"
#include "sandbox/fd_watch.h"
#include "sandbox/seccomp_filter.h"
#include "sandbox/user_env.h"
#include "sandbox/warm_message.h"
#include "sandbox/warm_spare.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define SLOTS_MAX       8
#define FAILURES_MAX    4          /* in a row, before they were ready: this image cannot */
#define FILL_DELAY_MS   30         /* the first call after a pod's start goes before */
#define FILL_AGAIN_MS   200        /* something runs, or one was lost */
#define ASK_DELAY_MS    1          /* the run that just began goes before */
#define READY_WITHIN_MS 20000      /* on a crowded machine */
#define LEADER_MARK     0x5a17c0de /* the leader's number in a server's filter, not known yet */

struct slot {
    struct warm *warm;
    const struct language *language;
    size_t skip; /* texts of the command in front of the code's file */
    int failures;
    int64_t started_ms; /* the server, or the one that waits */

    pid_t server; /* of a language that forks; 0: none */
    struct fd_watch *control;
    bool server_ready;
    struct warm_spare spare;
};

struct warm {
    struct warm_host host;
    struct timer *fill, *ask;
    bool fills; /* the timer runs: who asks again does not put it off */
    struct slot slots[SLOTS_MAX];
    size_t count;
};

static struct world *world_of(const struct warm *w)
{
    return loop_world(w->host.loop);
}

static bool forks(const struct slot *s)
{
    return s->language->warm == LANGUAGE_WARM_FORK;
}

static bool is_there(const struct slot *s)
{
    return forks(s) ? s->server > 0 : warm_spare_is_there(&s->spare);
}

static bool is_ready(const struct slot *s)
{
    return forks(s) ? s->server_ready : s->spare.ready;
}

static void fill_in(struct warm *w, int64_t ms)
{
    if (!w->fills)
        timer_start(world_of(w), w->fill, ms, 0);
    w->fills = true;
}

/* Processes are reaped where all are. */
static void drop(struct slot *s)
{
    if (!is_ready(s))
        s->failures++;
    warm_spare_drop(&s->spare);
    if (s->server > 0)
        kill(s->server, SIGKILL);
    s->server = 0;
    s->server_ready = false;
    fd_watch_free(&s->control);
    fill_in(s->warm, FILL_AGAIN_MS);
}

/* A server makes another one. */
static void lose_spare(struct slot *s)
{
    if (forks(s))
        warm_spare_drop(&s->spare);
    else
        drop(s);
    fill_in(s->warm, FILL_AGAIN_MS);
}

/* -- filling -- */

static void became_ready(struct slot *s)
{
    s->failures = 0;
    LOG(LOG_INFO, "warm_ready", KV("language", (const char *)s->language->name));
    warm_fill(s->warm);
}

static void on_spare(void *user)
{
    struct slot *s = user;
    bool was_ready = s->spare.ready;
    if (!warm_spare_hear(&s->spare))
        lose_spare(s);
    else if (!forks(s) && s->spare.ready && !was_ready)
        became_ready(s);
}

static void ask_server(struct slot *s)
{
    struct err err = {0};
    if (warm_spare_ask(&s->spare, s->warm->host.loop, fd_watch_fd(s->control), s->language->value,
                       on_spare, s, &err) < 0)
        LOG(LOG_WARN, "warm_failed", KV("language", (const char *)s->language->name),
            KV("why", (const char *)err.msg));
}

static void on_ask(void *user)
{
    struct warm *w = user;
    for (size_t i = 0; i < w->count; i++)
        if (w->slots[i].server_ready && !warm_spare_is_there(&w->slots[i].spare))
            ask_server(&w->slots[i]);
}

static void on_server(void *user)
{
    struct slot *s = user;
    char word[16];
    ssize_t n = read(fd_watch_fd(s->control), word, sizeof(word));
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n != 1 || word[0] != 'R' || s->server_ready) {
        drop(s);
        return;
    }
    s->server_ready = true;
    ask_server(s);
    became_ready(s);
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

/* A server learns the filter at once; one that waits got it when it was started. */
static bool send_filter(int fd)
{
    struct seccomp_filter f;
    seccomp_filter_build(&f, (pid_t)LEADER_MARK);
    struct slice bytes = {(const char *)f.code, f.len * sizeof(f.code[0])};
    return control_socket_send(fd, bytes, NULL, 0);
}

static int start_server(struct slot *s, struct launch *l, struct err *err)
{
    int ours, theirs;
    if (!control_socket_pair(&ours, &theirs))
        return err_set_errno(err, ERR_UNAVAILABLE, errno, "cannot open a socket");
    l->control_fd = theirs;
    int rc = launcher_start_server(l, &s->server, err);
    close(theirs);
    s->control = fd_watch_new(s->warm->host.loop, ours, on_server, s);
    fd_watch_for_read(s->control);
    if (rc == 0 && !send_filter(ours))
        rc = err_set(err, ERR_UNAVAILABLE, "it does not listen");
    return rc;
}

static void start_slot(struct slot *s)
{
    const struct warm_host *h = &s->warm->host;
    const struct text_list none = {0};
    struct err err = {0};
    struct text_list command = start_command(s, h->runtimes);
    struct text_list env = user_env_make(&none, &none);
    struct launch l = {command.items, env.items, h->workspace, s->language->value, 0};
    int rc = forks(s) ? start_server(s, &l, &err)
                      : warm_spare_start(&s->spare, h->loop, &l, on_spare, s, &err);
    text_list_fini(&command);
    text_list_fini(&env);
    s->started_ms = world_now_ms(world_of(s->warm));
    if (rc < 0) {
        LOG(LOG_WARN, "warm_failed", KV("language", (const char *)s->language->name),
            KV("why", (const char *)err.msg));
        drop(s);
    }
}

static bool is_late(const struct slot *s)
{
    return world_now_ms(world_of(s->warm)) - s->started_ms > READY_WITHIN_MS;
}

/* One at a time: the pod's share of a processor is small. */
static void on_fill(void *user)
{
    struct warm *w = user;
    struct slot *next = NULL;
    w->fills = false;
    on_ask(w);
    for (size_t i = w->count; i > 0; i--) {
        struct slot *s = &w->slots[i - 1];
        if (is_there(s) && !is_ready(s) && !is_late(s))
            return; /* its word brings us here again */
        if (is_there(s) && !is_ready(s))
            drop(s);
        if (!is_there(s) && s->failures < FAILURES_MAX)
            next = s;
    }
    if (!next)
        return;
    if (w->host.busy(w->host.user))
        fill_in(w, FILL_AGAIN_MS);
    else
        start_slot(next);
}

void warm_fill(struct warm *w)
{
    fill_in(w, FILL_DELAY_MS);
}

/* -- a run -- */

/* One that a server forks now may be taken for a stray, before its leader is known: then once more.
 */
static bool give(struct slot *s, struct slice message, struct launched *out)
{
    for (int tries = 0; tries < 2; tries++) {
        if (!warm_spare_is_there(&s->spare) && forks(s))
            ask_server(s);
        if (!warm_spare_is_there(&s->spare))
            break;
        switch (warm_spare_give(&s->spare, message, WARM_ANSWER_MS, out)) {
        case WARM_SPARE_BEGINS:
            timer_start(world_of(s->warm), s->warm->ask, ASK_DELAY_MS, 0);
            return true;
        case WARM_SPARE_SILENT: /* stopped, by user code of the same session, or crowded out */
            LOG(LOG_WARN, "warm_does_not_answer", KV("language", (const char *)s->language->name));
            drop(s);
            return false;
        case WARM_SPARE_ENDED:
            lose_spare(s);
        }
    }
    return false;
}

static struct slot *find(struct warm *w, const struct language *l)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->slots[i].language == l && is_there(&w->slots[i]) && is_ready(&w->slots[i]))
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
        done = give(s, buf_slice(&message), out);
    buf_fini(&message);
    return done;
}

/* -- the rest -- */

bool warm_give_up(struct warm *w)
{
    bool any = false;
    for (size_t i = 0; i < w->count; i++) {
        struct slot *s = &w->slots[i];
        if (!is_there(s))
            continue;
        drop(s);
        any = true;
    }
    return any;
}

bool warm_reaped(struct warm *w, pid_t pid)
{
    for (size_t i = 0; i < w->count; i++) {
        struct slot *s = &w->slots[i];
        bool is_leader = s->spare.launched.leader == pid;
        if (!is_leader && s->server != pid)
            continue;
        LOG(LOG_WARN, "warm_lost", KV("language", (const char *)s->language->name));
        *(is_leader ? &s->spare.launched.leader : &s->server) = 0;
        if (is_leader)
            lose_spare(s);
        else
            drop(s);
        return true;
    }
    return false;
}

size_t warm_pids(const struct warm *w, pid_t *out, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < w->count && n + 1 < max; i++) {
        if (w->slots[i].server > 0)
            out[n++] = w->slots[i].server;
        if (w->slots[i].spare.launched.leader > 0)
            out[n++] = w->slots[i].spare.launched.leader;
    }
    return n;
}

struct warm *warm_new(const struct warm_host *host)
{
    struct warm *w = mem_alloc(sizeof(*w));
    *w = (struct warm){.host = *host};
    w->fill = timer_new(world_of(w), on_fill, w);
    w->ask = timer_new(world_of(w), on_ask, w);
    for (size_t i = 0; i < host->languages->count && w->count < SLOTS_MAX; i++) {
        const struct language *l = &host->languages->items[i];
        size_t skip;
        if (l->warm == LANGUAGE_WARM_NO || !language_installed(l) || !language_file_at(l, &skip))
            continue;
        struct slot *s = &w->slots[w->count++];
        *s = (struct slot){.warm = w, .language = l, .skip = skip};
        warm_spare_init(&s->spare);
    }
    return w;
}
