#include "sandbox/execution.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "sandbox/code_file.h"
#include "sandbox/compile_step.h"
#include "sandbox/containment.h"
#include "sandbox/contexts.h"
#include "sandbox/execution_ending.h"
#include "sandbox/execution_input.h"
#include "sandbox/execution_output.h"
#include "sandbox/fd_watch.h"
#include "sandbox/launcher.h"
#include "sandbox/memory_events.h"
#include "sandbox/run_extras.h"
#include "sandbox/user_env.h"
#include "sandbox/warm.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES       ((size_t)64 * 1024)
#define READS_A_TURN     4  /* so that one flood does not starve the other requests */
#define READS_AT_END     32 /* a pipe holds 1 MiB at most; a writer that got away does not keep us */
#define KILL_ROUNDS_SOFT 8  /* about an eighth of a second */
#define KILL_ROUNDS_MAX  40
#define REPORT_WAIT_MS   5
#define REPORT_WAITS_MAX 40

struct execution {
    struct fsm fsm;
    const struct execution_host *host;
    char id[65];
    char fingerprint[DIGEST_HEX];
    const struct language *language;
    bool background;
    bool stored;
    bool warm;               /* the interpreter was there before */
    struct context *context; /* where it runs, while it runs; NULL: in an interpreter of its own */
    char context_id[65];
    int references;

    pid_t leader;
    struct code_file file;
    struct fd_watch *out, *err, *value, *report;
    struct timer *timeout, *kill_timer;
    int64_t timeout_ms;
    int kill_rounds, report_waits;
    struct execution_input *input;
    int64_t memory_kills_before;

    struct execution_output output;
    struct timer *journal_timer;
    struct execution_ending ending;
    int64_t started_ms, ended_ms, started_wall_ms, ended_wall_ms;
};

static struct world *world_of(const struct execution *e)
{
    return loop_world(e->host->loop);
}

/* -- the end -- */

static ssize_t read_some(int fd, char *to)
{
    ssize_t n;
    do
        n = read(fd, to, READ_BYTES);
    while (n < 0 && errno == EINTR);
    return n;
}

static char read_buffer[READ_BYTES]; /* one loop, one thread: never in use twice */

/* 0: as long as it likes. */
static void limit_time(struct execution *e, int64_t ms)
{
    timer_stop(world_of(e), e->timeout);
    if (ms > 0)
        timer_start(world_of(e), e->timeout, ms, 0);
}

/* The compiler is done: from here on the program's time counts. */
static void look_for_program(struct execution *e)
{
    size_t len = strlen(COMPILE_STEP_BEGINS);
    if (e->output.value.len < len || memcmp(e->output.value.data, COMPILE_STEP_BEGINS, len) != 0)
        return;
    e->ending.compiling = false;
    if (e->fsm.state != EXECUTION_RUNNING)
        return;
    limit_time(e, e->timeout_ms);
}

static void take_value(struct execution *e, struct slice bytes)
{
    execution_output_add_value(&e->output, bytes);
    if (e->ending.compiling)
        look_for_program(e);
}

static void take_output(struct execution *e, struct fd_watch *w, struct slice bytes)
{
    if (w == e->value)
        take_value(e, bytes);
    else
        output_add(&e->output.streams[w == e->out ? EVENT_STDOUT : EVENT_STDERR], bytes);
}

/* What was written since becomes events, and whoever waits hears of it. */
static void tell_news(void *user)
{
    struct execution *e = user;
    int64_t later = execution_output_tell(&e->output, world_now_ms(world_of(e)), false);
    if (later > 0)
        timer_start(world_of(e), e->journal_timer, later, 0);
    e->host->news(e, e->host->user);
}

/* False at the end of the stream. */
static bool read_pipe(struct execution *e, struct fd_watch *w, int reads)
{
    for (int i = 0; i < reads; i++) {
        ssize_t n = read_some(fd_watch_fd(w), read_buffer);
        if (n <= 0)
            return n < 0 && errno == EAGAIN;
        take_output(e, w, (struct slice){read_buffer, (size_t)n});
    }
    return true;
}

/* What was written before the writers died is still in the pipe; we do not wait for its end. */
static void drain_and_close(struct execution *e, struct fd_watch **w)
{
    if (*w)
        read_pipe(e, *w, READS_AT_END);
    fd_watch_free(w);
}

static void take_report(struct execution *e)
{
    struct launch_report r;
    while (e->report && read(fd_watch_fd(e->report), &r, sizeof(r)) == (ssize_t)sizeof(r)) {
        if (r.kind == LAUNCH_EXITED) {
            e->ending.has_wait_status = true;
            e->ending.wait_status = r.value;
            e->ending.alone = r.alone != 0;
        } else if (r.kind == LAUNCH_FAILED) {
            e->ending.launch_errno = r.value;
            e->ending.launch_step = r.step;
        }
    }
}

static void tell_end(void *user)
{
    struct execution *e = user;
    e->host->ended(e, e->host->user);
    execution_release(e);
}

static void finish(struct execution *e)
{
    take_report(e);
    execution_ending_settle(&e->ending);
    drain_and_close(e, &e->out);
    drain_and_close(e, &e->err);
    drain_and_close(e, &e->value);
    fd_watch_free(&e->report);
    execution_input_free(&e->input);
    timer_free(world_of(e), &e->timeout);
    timer_free(world_of(e), &e->kill_timer);
    timer_free(world_of(e), &e->journal_timer);
    if (e->leader > 0)
        kill(e->leader, SIGKILL);
    code_file_remove(&e->file);
    int64_t kills = memory_events_kills();
    e->ending.memory_killed = kills > e->memory_kills_before && e->memory_kills_before >= 0;
    e->ended_ms = world_now_ms(world_of(e));
    execution_output_tell(&e->output, e->ended_ms, true);
    e->ended_wall_ms = world_wall_ms(world_of(e));
    fsm_move(&e->fsm, EXECUTION_ENDED);
    execution_hold(e);
    loop_defer(e->host->loop, tell_end,
               e); /* callbacks never run inside the call that led to them */
}

/* -- killing what is left -- */

/* All are dead, but the leader did not come to say how yet: the machine is busy. */
static bool is_awaited(struct execution *e)
{
    take_report(e);
    return e->leader > 0 && e->report && !e->ending.has_wait_status &&
           e->ending.launch_errno == 0 && e->report_waits++ < REPORT_WAITS_MAX;
}

static void kill_step(void *user)
{
    struct execution *e = user;
    size_t left =
        e->leader > 0 ? containment_round(e->leader) : e->host->kill_strays(e->host->user);
    if (left == 0 && is_awaited(e)) {
        timer_start(world_of(e), e->kill_timer, REPORT_WAIT_MS, 0);
        return;
    }
    if (left == 0 || e->kill_rounds >= KILL_ROUNDS_MAX) {
        if (left > 0)
            LOG(LOG_ERROR, "processes_left", KV("execution", (const char *)e->id),
                KV("count", (int64_t)left));
        finish(e);
        return;
    }
    e->kill_rounds++;
    if (e->kill_rounds == KILL_ROUNDS_SOFT && containment_kill_all())
        LOG(LOG_WARN, "killed_everything", KV("execution", (const char *)e->id),
            KV("count", (int64_t)left));
    int64_t delay = e->kill_rounds < 6 ? (int64_t)1 << (e->kill_rounds - 1) : 32;
    timer_start(world_of(e), e->kill_timer, delay, 0);
}

static void begin_killing(struct execution *e, enum execution_cause cause)
{
    if (e->fsm.state != EXECUTION_RUNNING)
        return;
    e->ending.cause = cause;
    timer_stop(world_of(e), e->timeout);
    fsm_move(&e->fsm, EXECUTION_KILLING);
    if (e->context)
        context_interrupt(e->context);
    else
        timer_start(world_of(e), e->kill_timer, 0, 0);
}

void execution_stop(struct execution *e, enum execution_cause cause)
{
    begin_killing(e, cause);
}

static void on_timeout(void *user)
{
    begin_killing(user, EXECUTION_BY_TIMEOUT);
}

/* -- pipes -- */

static void on_report(void *user)
{
    struct execution *e = user;
    take_report(e);
    bool failed = e->ending.launch_errno != 0;
    if (!failed && !e->ending.has_wait_status) {
        fd_watch_stop(e->report); /* the leader died without a word: its SIGCHLD tells */
        return;
    }
    if (e->fsm.state != EXECUTION_RUNNING) {
        fd_watch_stop(e->report);
        return;
    }
    e->ending.cause = failed ? EXECUTION_BY_FAILURE : EXECUTION_BY_EXIT;
    if (failed || e->ending.alone)
        finish(e);
    else
        begin_killing(e, EXECUTION_BY_EXIT);
}

static void on_pipe(struct execution *e, struct fd_watch *w)
{
    uint64_t before = execution_output_total(&e->output);
    if (!read_pipe(e, w, READS_A_TURN))
        fd_watch_stop(w);
    if (execution_output_total(&e->output) != before)
        tell_news(e);
}

static void on_out(void *user)
{
    struct execution *e = user;
    on_pipe(e, e->out);
}

static void on_err(void *user)
{
    struct execution *e = user;
    on_pipe(e, e->err);
}

static void on_value(void *user)
{
    struct execution *e = user;
    on_pipe(e, e->value);
}

int execution_feed(struct execution *e, struct slice bytes, bool eof, struct err *err)
{
    struct execution_input *in = e->fsm.state == EXECUTION_RUNNING ? e->input : NULL;
    return execution_input_feed(in, bytes, eof, err);
}

/* -- the beginning -- */

static int check_cwd(const char *cwd, struct err *err)
{
    struct stat st;
    if (stat(cwd, &st) < 0 || !S_ISDIR(st.st_mode) || access(cwd, X_OK) < 0)
        return err_set(err, ERR_INVALID_ARGUMENT, "cwd: there is no folder %.200s", cwd);
    return 0;
}

static int launch(struct execution *e, const struct exec_request *r, const char *cwd,
                  const char *filename, struct launched *out, struct err *err)
{
    struct language_places places = {e->file.path, filename, e->file.output, e->host->runtimes};
    struct text_list argv = language_command(e->language, &places, &r->args);
    struct text_list env = user_env_make(e->host->session_env, &r->env);
    struct launch l = {argv.items, env.items, cwd, language_reports(e->language), 0};
    const struct warm_run run = {e->language, &argv, &env, e->host->session_env, &r->env, cwd};
    e->warm = e->host->warm && warm_launch(e->host->warm, &run, out);
    int rc = e->warm ? 0 : launcher_start(&l, out, err);
    text_list_fini(&argv);
    text_list_fini(&env);
    return rc;
}

static struct fd_watch *listen_to(struct execution *e, int fd, loop_f *fn)
{
    if (fd < 0)
        return NULL;
    struct fd_watch *w = fd_watch_new(e->host->loop, fd, fn, e);
    fd_watch_for_read(w);
    return w;
}

static struct execution_input *take_input(const struct execution *e, int fd, struct exec_request *r)
{
    struct slice given = {r->stdin_data, r->stdin_len};
    int file = r->stdin_fd;
    r->stdin_fd = 0;
    return file > 0 ? execution_input_from_file(e->host->loop, fd, file)
                    : execution_input_new(e->host->loop, fd, given, r->stdin_open);
}

static void attach(struct execution *e, const struct launched *l, struct exec_request *r)
{
    e->leader = l->leader;
    e->input = take_input(e, l->stdin_fd, r);
    e->out = listen_to(e, l->stdout_fd, on_out);
    e->err = listen_to(e, l->stderr_fd, on_err);
    e->value = listen_to(e, l->value_fd, on_value);
    e->report = listen_to(e, l->report_fd, on_report);
    e->timeout = timer_new(world_of(e), on_timeout, e);
    e->kill_timer = timer_new(world_of(e), kill_step, e);
    e->ending.compiling = e->language->compile.count > 0;
    limit_time(e, e->ending.compiling ? e->language->compile_ms : e->timeout_ms);
}

static struct execution *make(const struct execution_host *host, const char *id,
                              const struct language *language, const struct exec_request *r)
{
    struct execution *e = mem_alloc(sizeof(*e));
    fsm_init(&e->fsm, &EXECUTION_FSM, EXECUTION_RUNNING);
    e->host = host;
    e->language = language;
    e->background = r->background;
    e->timeout_ms = r->timeout_ms;
    snprintf(e->id, sizeof(e->id), "%s", id);
    memcpy(e->fingerprint, r->fingerprint, sizeof(e->fingerprint));
    execution_output_init(&e->output, (size_t)host->limits->output_bytes,
                          world_now_ms(world_of(e)));
    e->journal_timer = timer_new(world_of(e), tell_news, e);
    return e;
}

/* -- in a context -- */

static void on_context_output(void *user, enum context_stream stream, struct slice bytes)
{
    struct execution *e = user;
    if (stream == CONTEXT_VALUE) {
        take_value(e, bytes);
        return;
    }
    output_add(&e->output.streams[stream == CONTEXT_STDOUT ? EVENT_STDOUT : EVENT_STDERR], bytes);
    tell_news(e);
}

/* A program that was interrupted ended by that signal, whatever it says. */
static void on_context_done(void *user, int exit_code)
{
    struct execution *e = user;
    e->context = NULL;
    e->ending.context = EXECUTION_CONTEXT_KEPT;
    e->ending.has_wait_status = true;
    e->ending.wait_status = e->fsm.state == EXECUTION_RUNNING ? exit_code << 8 : SIGINT;
    finish(e);
}

static void on_context_lost(void *user, const int *wait_status)
{
    struct execution *e = user;
    e->context = NULL;
    e->ending.context = EXECUTION_CONTEXT_ENDED;
    e->ending.has_wait_status = wait_status != NULL;
    e->ending.wait_status = wait_status ? *wait_status : 0;
    if (e->fsm.state == EXECUTION_RUNNING)
        e->ending.cause = wait_status ? EXECUTION_BY_EXIT : EXECUTION_BY_CONTEXT;
    finish(e);
}

static int run_in_context(struct execution *e, const struct exec_request *r, const char *cwd,
                          const char *filename, struct err *err)
{
    const struct context_client client = {on_context_output, on_context_done, on_context_lost, e};
    struct context *c = contexts_find(e->host->contexts, r->context, err);
    if (!c)
        return -(int)err->code;
    if (context_language(c) != e->language)
        return err_set(err, ERR_INVALID_ARGUMENT, "the context %s is of %s", r->context,
                       context_language(c)->name);
    struct text_list args = run_extras_args(e->file.path, filename, &r->args);
    int rc = context_run(c, r->cwd ? cwd : "", &args, &r->env, &client, err);
    text_list_fini(&args);
    if (rc < 0)
        return rc;
    e->context = c;
    snprintf(e->context_id, sizeof(e->context_id), "%s", r->context);
    e->timeout = timer_new(world_of(e), on_timeout, e);
    limit_time(e, e->timeout_ms);
    return 0;
}

/* -- either way -- */

static int begin(struct execution *e, struct exec_request *r, const char *cwd, const char *filename,
                 struct err *err)
{
    struct launched launched;
    e->memory_kills_before = memory_events_kills();
    if (r->context[0])
        return run_in_context(e, r, cwd, filename, err);
    int rc = launch(e, r, cwd, filename, &launched, err);
    if (rc < 0)
        return rc;
    attach(e, &launched, r);
    return 0;
}

struct execution *execution_start(const struct execution_host *host, const char *id,
                                  const struct language *language, struct exec_request *r,
                                  struct err *err)
{
    struct execution *e = make(host, id, language, r);
    const char *filename = r->filename ? r->filename : language->filename;
    char *cwd = r->cwd && r->cwd[0] != '/' ? mem_format("%s/%s", host->workspace, r->cwd)
                                           : mem_text(r->cwd ? r->cwd : host->workspace);
    int rc = check_cwd(cwd, err);
    if (rc == 0)
        rc = code_file_write(&e->file, filename, (struct slice){r->code, r->code_len}, err);
    if (rc == 0)
        rc = run_extras_open_input(host->files, host->workspace, r, err);
    if (rc == 0)
        rc = run_extras_write(&e->file, e->language, r, err);
    e->started_ms = world_now_ms(world_of(e));
    e->started_wall_ms = world_wall_ms(world_of(e));
    if (rc == 0)
        rc = begin(e, r, cwd, filename, err);
    free(cwd);
    exec_request_fini(r);
    if (rc < 0)
        execution_free(&e);
    return e;
}

void execution_free(struct execution **e)
{
    if (!*e)
        return;
    INVARIANT((*e)->leader == 0 && (*e)->references == 0);
    code_file_remove(&(*e)->file);
    execution_output_fini(&(*e)->output);
    timer_free(world_of(*e), &(*e)->journal_timer);
    execution_input_free(&(*e)->input);
    free(*e);
    *e = NULL;
}

/* -- what others ask -- */

bool execution_may_free(const struct execution *e)
{
    return execution_is_ended(e) && e->leader == 0 && e->references == 0;
}

void execution_hold(struct execution *e)
{
    e->references++;
}

void execution_release(struct execution *e)
{
    INVARIANT(e->references > 0);
    e->references--;
}

const char *execution_id(const struct execution *e)
{
    return e->id;
}

const char *execution_fingerprint(const struct execution *e)
{
    return e->fingerprint;
}

bool execution_is_ended(const struct execution *e)
{
    return e->fsm.state == EXECUTION_ENDED;
}

const char *execution_status(const struct execution *e)
{
    return execution_is_ended(e) ? execution_ending_status(&e->ending) : "running";
}

size_t execution_memory(const struct execution *e)
{
    return execution_output_memory(&e->output);
}

pid_t execution_leader(const struct execution *e)
{
    return e->leader;
}

/* Killed from inside, if it was before its time: what hung below it is process 1's now, and no scan
 * finds it below it any more. */
bool execution_leader_reaped(struct execution *e)
{
    e->leader = 0;
    if (e->fsm.state == EXECUTION_RUNNING) {
        on_report(e); /* it may have spoken before it went */
        begin_killing(e, EXECUTION_BY_LOSS);
    }
    return e->ending.alone;
}

bool execution_is_warm(const struct execution *e)
{
    return e->warm;
}

bool execution_is_stored(const struct execution *e)
{
    return e->stored;
}

void execution_set_stored(struct execution *e)
{
    e->stored = true;
}

struct json_t *execution_meta(const struct execution *e)
{
    struct json_t *j = json_new_object();
    int64_t until = execution_is_ended(e) ? e->ended_ms : world_now_ms(world_of(e));
    json_set_text(j, "session_id", e->host->session_id);
    json_set_text(j, "execution_id", e->id);
    json_set_text(j, "language", e->language->name);
    json_set_text(j, "status", execution_status(e));
    execution_ending_print(execution_is_ended(e) ? &e->ending : NULL, buf_slice(&e->output.value),
                           j);
    if (e->background)
        json_set_bool(j, "background", true);
    if (e->context_id[0])
        json_set_text(j, "context_id", e->context_id);
    execution_ending_set_time(j, "started_at", e->started_wall_ms);
    execution_ending_set_time(j, "finished_at", e->ended_wall_ms);
    json_set(j, "execution_time", json_new_number((double)(until - e->started_ms) / 1000));
    return j;
}

struct result_source execution_source(const struct execution *e, const struct json_t *meta)
{
    return (struct result_source){meta, output_view(&e->output.streams[EVENT_STDOUT]),
                                  output_view(&e->output.streams[EVENT_STDERR]),
                                  execution_is_ended(e)};
}

struct event_source execution_events(const struct execution *e, const struct json_t *meta)
{
    return (struct event_source){execution_source(e, meta), &e->output.journal};
}
