#include "sandbox/context.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "sandbox/containment.h"
#include "sandbox/control_socket.h"
#include "sandbox/execution_ending.h"
#include "sandbox/fd_watch.h"
#include "sandbox/launcher.h"
#include "sandbox/process_tree.h"
#include "sandbox/user_env.h"
#include "sandbox/warm_message.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define READ_BYTES       ((size_t)64 * 1024)
#define READS_A_TURN     4
#define READS_AT_END     32
#define OBEY_MS          1000 /* from SIGINT to the end of the program */
#define KILL_ROUNDS_MAX  40
#define CONTROL_WORD_MAX 16

static const struct fsm_state STATES[] = {CONTEXT_STATES(FSM_STATE)};
const struct fsm_table CONTEXT_FSM = {"context", STATES, CONTEXT_STATE_COUNT};

struct context {
    struct fsm fsm;
    const struct context_host *host;
    const struct language *language;
    char id[65];
    char why[96];
    int64_t created_wall_ms;
    pid_t leader, interpreter; /* 0: not known yet */
    struct fd_watch *in, *control, *report;
    struct fd_watch *streams[CONTEXT_STREAMS];
    struct timer *kill_timer;
    int kill_rounds;
    bool has_wait_status;
    int wait_status;
    bool by_itself; /* the end was the interpreter's own */
    char word[CONTROL_WORD_MAX];
    size_t word_len;
    struct context_client client; /* while RUNNING, and until `lost` was said */
};

static struct world *world_of(const struct context *c)
{
    return loop_world(c->host->loop);
}

/* -- output -- */

static char read_buffer[READ_BYTES]; /* one loop, one thread: never in use twice */

/* What comes while nothing runs is nobody's. False at the end of the stream. */
static bool read_stream(struct context *c, enum context_stream which, int reads)
{
    for (int i = 0; c->streams[which] && i < reads; i++) {
        ssize_t n = read(fd_watch_fd(c->streams[which]), read_buffer, READ_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 && errno == EAGAIN;
        if (c->client.output)
            c->client.output(c->client.user, which, (struct slice){read_buffer, (size_t)n});
    }
    return true;
}

static void drain(struct context *c)
{
    for (int i = 0; i < CONTEXT_STREAMS; i++)
        read_stream(c, (enum context_stream)i, READS_AT_END);
}

static void on_stream(struct context *c, enum context_stream which)
{
    if (!read_stream(c, which, READS_A_TURN))
        fd_watch_stop(c->streams[which]);
}

static void on_stdout(void *user)
{
    on_stream(user, CONTEXT_STDOUT);
}

static void on_stderr(void *user)
{
    on_stream(user, CONTEXT_STDERR);
}

static void on_value(void *user)
{
    on_stream(user, CONTEXT_VALUE);
}

/* -- the end -- */

static void finish(struct context *c)
{
    drain(c);
    for (int i = 0; i < CONTEXT_STREAMS; i++)
        fd_watch_free(&c->streams[i]);
    fd_watch_free(&c->in);
    fd_watch_free(&c->control);
    fd_watch_free(&c->report);
    timer_free(world_of(c), &c->kill_timer);
    if (c->leader > 0)
        kill(c->leader, SIGKILL);
    fsm_move(&c->fsm, CONTEXT_ENDED);
    LOG(LOG_INFO, "context_ended", KV("context", (const char *)c->id),
        KV("why", (const char *)c->why));
    struct context_client client = c->client;
    c->client = (struct context_client){0};
    if (client.lost)
        client.lost(client.user, c->by_itself && c->has_wait_status ? &c->wait_status : NULL);
    c->host->ended(c, c->host->user);
}

static void kill_step(void *user)
{
    struct context *c = user;
    if (c->fsm.state != CONTEXT_KILLING) {
        context_kill(c, "it did not obey an interrupt");
        return;
    }
    size_t left =
        c->leader > 0 ? containment_round(c->leader) : c->host->kill_strays(c->host->user);
    if (left == 0 || c->kill_rounds >= KILL_ROUNDS_MAX) {
        finish(c);
        return;
    }
    int64_t delay = c->kill_rounds < 6 ? (int64_t)1 << c->kill_rounds : 32;
    c->kill_rounds++;
    timer_start(world_of(c), c->kill_timer, delay, 0);
}

void context_kill(struct context *c, const char *why)
{
    if (context_is_over(c))
        return;
    snprintf(c->why, sizeof(c->why), "%s", why);
    fsm_move(&c->fsm, CONTEXT_KILLING);
    timer_start(world_of(c), c->kill_timer, 0, 0);
}

static void kill_for_end(struct context *c)
{
    char text[64], name[24];
    c->by_itself = true;
    if (WIFSIGNALED(c->wait_status)) {
        execution_ending_signal_name(WTERMSIG(c->wait_status), name);
        snprintf(text, sizeof(text), "its interpreter was ended by %s", name);
    } else {
        snprintf(text, sizeof(text), "its interpreter exited with %d", WEXITSTATUS(c->wait_status));
    }
    context_kill(c, text);
}

static void on_report(void *user)
{
    struct context *c = user;
    struct launch_report r;
    while (c->report && read(fd_watch_fd(c->report), &r, sizeof(r)) == (ssize_t)sizeof(r)) {
        if (r.kind == LAUNCH_EXITED) {
            c->has_wait_status = true;
            c->wait_status = r.value;
            if (!context_is_over(c))
                kill_for_end(c);
        } else if (r.kind == LAUNCH_FAILED) {
            context_kill(c, "its interpreter could not be started");
        }
    }
    fd_watch_stop(c->report);
}

/* -- what the interpreter says -- */

/* The leader has one child while it starts; later, orphans of what programs started are its too. */
static void find_interpreter(struct context *c)
{
    struct process_tree t;
    if (c->interpreter > 0 || !process_tree_read(&t))
        return;
    for (size_t i = 0; i < t.count; i++)
        if (t.items[i].parent == c->leader)
            c->interpreter = t.items[i].pid;
    process_tree_fini(&t);
}

static void program_done(struct context *c, int exit_code)
{
    drain(c);
    struct context_client client = c->client;
    c->client = (struct context_client){0};
    timer_stop(world_of(c), c->kill_timer);
    fsm_move(&c->fsm, CONTEXT_IDLE);
    client.done(client.user, exit_code);
}

static void take_word(struct context *c)
{
    if (c->word[0] == 'R')
        find_interpreter(c);
    else if (c->word[0] == 'D' && c->fsm.state == CONTEXT_RUNNING)
        program_done(c, atoi(c->word + 1) & 0xff);
}

static void on_control(void *user)
{
    struct context *c = user;
    char text[256];
    ssize_t n = read(fd_watch_fd(c->control), text, sizeof(text));
    if (n == 0)
        fd_watch_stop(c->control);
    for (ssize_t i = 0; i < n; i++) {
        if (text[i] == '\n') {
            c->word[c->word_len] = '\0';
            c->word_len = 0;
            take_word(c);
        } else if (c->word_len + 1 < sizeof(c->word)) {
            c->word[c->word_len++] = text[i];
        }
    }
}

/* -- programs -- */

/* The number of texts goes first: an interpreter may read in pieces. */
static bool send_program(struct context *c, const char *cwd, const struct text_list *args,
                         const struct text_list *env)
{
    struct buf message;
    char count[24];
    buf_init(&message, WARM_MESSAGE_MAX);
    snprintf(count, sizeof(count), "%zu", 2 + args->count + env->count);
    buf_add(&message, count, strlen(count) + 1);
    bool sent = warm_message_print(&message, cwd, args, 0, env) &&
                control_socket_send(fd_watch_fd(c->control), buf_slice(&message), NULL, 0);
    buf_fini(&message);
    return sent;
}

int context_run(struct context *c, const char *cwd, const struct text_list *args,
                const struct text_list *env, const struct context_client *client, struct err *err)
{
    if (context_is_over(c))
        return err_set(err, ERR_CONTEXT_ENDED, "the context %s has ended: %s", c->id, c->why);
    if (c->fsm.state == CONTEXT_RUNNING)
        return err_set(err, ERR_CONTEXT_BUSY, "the context %s still runs another program", c->id);
    drain(c);
    if (!send_program(c, cwd, args, env))
        return err_set(err, ERR_PAYLOAD_TOO_LARGE,
                       "arguments and environment are more than %zu bytes for a context",
                       WARM_MESSAGE_MAX);
    c->client = *client;
    fsm_move(&c->fsm, CONTEXT_RUNNING);
    return 0;
}

static bool send_interrupt(struct context *c)
{
    struct process_tree t;
    bool sent = false;
    if (c->interpreter == 0 || !process_tree_read(&t))
        return false;
    for (size_t i = 0; i < t.count; i++)
        if (t.items[i].pid == c->interpreter && t.items[i].parent == c->leader)
            sent = kill(c->interpreter, SIGINT) == 0;
    process_tree_fini(&t);
    return sent;
}

void context_interrupt(struct context *c)
{
    if (c->fsm.state != CONTEXT_RUNNING)
        return;
    if (c->language->interrupts && send_interrupt(c))
        timer_start(world_of(c), c->kill_timer, OBEY_MS, 0);
    else
        context_kill(c, "a program in it was ended, which this language cannot without its end");
}

/* -- the beginning -- */

static struct fd_watch *listen_to(struct context *c, int fd, loop_f *fn)
{
    if (fd < 0)
        return NULL;
    struct fd_watch *w = fd_watch_new(c->host->loop, fd, fn, c);
    fd_watch_for_read(w);
    return w;
}

static int launch(struct context *c, int control, struct launched *out, struct err *err)
{
    const struct text_list none = {0};
    const struct language_places places = {"", "", "", c->host->runtimes};
    struct text_list argv = language_context_command(c->language, &places);
    struct text_list env = user_env_make(c->host->session_env, &none);
    struct launch l = {argv.items, env.items, c->host->workspace, c->language->value, control};
    int rc = launcher_start(&l, out, err);
    text_list_fini(&argv);
    text_list_fini(&env);
    return rc;
}

struct context *context_start(const struct context_host *host, const char *id,
                              const struct language *language, struct err *err)
{
    int ours, theirs;
    struct launched l;
    if (!control_socket_stream(&ours, &theirs)) {
        err_set_errno(err, ERR_UNAVAILABLE, errno, "cannot open a socket");
        return NULL;
    }
    struct context *c = mem_alloc(sizeof(*c));
    *c = (struct context){.host = host, .language = language};
    fsm_init(&c->fsm, &CONTEXT_FSM, CONTEXT_IDLE);
    snprintf(c->id, sizeof(c->id), "%s", id);
    int rc = launch(c, theirs, &l, err);
    close(theirs);
    if (rc < 0) {
        close(ours);
        free(c);
        return NULL;
    }
    c->leader = l.leader;
    c->created_wall_ms = world_wall_ms(world_of(c));
    c->kill_timer = timer_new(world_of(c), kill_step, c);
    c->control = listen_to(c, ours, on_control);
    /* Nothing comes this way: every program has its input as a file. The end stays open. */
    c->in = fd_watch_new(host->loop, l.stdin_fd, on_stdout, c);
    c->streams[CONTEXT_STDOUT] = listen_to(c, l.stdout_fd, on_stdout);
    c->streams[CONTEXT_STDERR] = listen_to(c, l.stderr_fd, on_stderr);
    c->streams[CONTEXT_VALUE] = listen_to(c, l.value_fd, on_value);
    c->report = listen_to(c, l.report_fd, on_report);
    return c;
}

bool context_may_free(const struct context *c)
{
    return c->fsm.state == CONTEXT_ENDED && c->leader == 0;
}

void context_free(struct context **c)
{
    if (!*c)
        return;
    INVARIANT(context_may_free(*c));
    free(*c);
    *c = NULL;
}

/* -- what others ask -- */

pid_t context_leader(const struct context *c)
{
    return c->leader;
}

void context_leader_reaped(struct context *c)
{
    c->leader = 0;
    if (c->report)
        on_report(c); /* it may have spoken before it went */
    context_kill(c, "its leader process was killed");
}

const char *context_id(const struct context *c)
{
    return c->id;
}

const struct language *context_language(const struct context *c)
{
    return c->language;
}

bool context_is_over(const struct context *c)
{
    return c->fsm.state == CONTEXT_KILLING || c->fsm.state == CONTEXT_ENDED;
}

const char *context_why(const struct context *c)
{
    return c->why;
}

struct json_t *context_object(const struct context *c)
{
    struct json_t *j = json_new_object();
    json_set_text(j, "context_id", c->id);
    json_set_text(j, "language", c->language->name);
    execution_ending_set_time(j, "created_at", c->created_wall_ms);
    json_set_bool(j, "busy", c->fsm.state == CONTEXT_RUNNING);
    return j;
}
