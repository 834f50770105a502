#include "sandbox/agent.h"
#include "base/log.h"
#include "base/mem.h"
#include "sandbox/containment.h"
#include "sandbox/own_kernel.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#define AFTER_DEADLINE_MS 60000 /* for those who still fetch results; then the pod is over */
#define STRAY_ROUNDS_MAX  40
#define WATCHDOG_MS       1000
#define WORKSPACE         "/workspace"

void agent_changed(struct agent *a)
{
    long_polls_wake(a->polls);
    event_watchers_wake(a->watchers);
}

void agent_stop_all(struct agent *a, enum execution_cause cause)
{
    for (size_t i = 0; i < a->executions.count; i++)
        execution_stop(a->executions.items[i], cause);
    setup_stop(&a->setup, cause);
    contexts_kill_all(&a->contexts, "the session ended");
}

/* -- deadline -- */

static void on_deadline(void *user)
{
    struct agent *a = user;
    if (a->activity.quiesced && executions_running(&a->executions) == 0 &&
        a->activity.deadline_at_ms + AFTER_DEADLINE_MS <= world_now_ms(a->world)) {
        a->quit(a);
        return;
    }
    LOG(LOG_INFO, "deadline", KV("running", (int64_t)executions_running(&a->executions)));
    agent_stop_all(a, EXECUTION_BY_DEADLINE);
    activity_force_quiesce(&a->activity);
    agent_changed(a);
    timer_start(a->world, a->deadline, AFTER_DEADLINE_MS, 0);
}

void agent_set_deadline(struct agent *a, int64_t after_ms)
{
    activity_set_deadline(&a->activity, world_now_ms(a->world) + after_ms);
    timer_start(a->world, a->deadline, after_ms, 0);
    agent_changed(a);
}

/* -- children -- */

static size_t kill_strays(void *user)
{
    struct agent *a = user;
    pid_t known[EXECUTIONS_KEPT_MAX * 3];
    size_t n = a->warm ? warm_pids(a->warm, known, ARRAY_LEN(known)) : 0;
    n += contexts_leaders(&a->contexts, known + n, ARRAY_LEN(known) - n);
    if (setup_state(&a->setup) == SETUP_RUNNING)
        known[n++] = execution_leader(a->setup.execution);
    for (size_t i = 0; i < a->executions.count && n < ARRAY_LEN(known); i++)
        if (execution_leader(a->executions.items[i]) > 0)
            known[n++] = execution_leader(a->executions.items[i]);
    return containment_round_strays(known, n);
}

static void on_strays(void *user)
{
    struct agent *a = user;
    if (kill_strays(a) > 0 && a->stray_rounds++ < STRAY_ROUNDS_MAX)
        timer_start(a->world, a->strays, 5, 0);
    else
        a->stray_rounds = 0;
}

static void other_reaped(struct agent *a, pid_t pid, int status)
{
    if (pid <= 0)
        return;
    bool waited = a->warm && warm_reaped(a->warm, pid);
    contexts_reaped(&a->contexts, pid);
    if (!waited && !WIFEXITED(status)) /* below a leader that was killed somebody may be left */
        timer_start(a->world, a->strays, 0, 0);
}

void agent_reap(struct agent *a)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0 || (pid < 0 && errno == EINTR)) {
        struct execution *e = pid > 0 ? executions_find_leader(&a->executions, pid) : NULL;
        if (!e && pid > 0)
            e = setup_find_leader(&a->setup, pid);
        if (!e) {
            other_reaped(a, pid, status);
            continue;
        }
        bool alone = execution_leader_reaped(e);
        if (!alone && !WIFEXITED(status)) /* one that ends by itself leaves nobody behind */
            timer_start(a->world, a->strays, 0, 0);
    }
}

/* The cgroup is the wall; this only says in the log that somebody leans on it. */
static void on_watchdog(void *user)
{
    struct agent *a = user;
    if (a->activity.running == 0) {
        timer_stop(a->world, a->watchdog); /* an idle pod sleeps */
        return;
    }
    int64_t n = (int64_t)containment_count();
    if (n > a->limits.pids)
        LOG(LOG_WARN, "many_processes", KV("count", n), KV("limit", a->limits.pids));
}

void agent_submitted(struct agent *a, struct execution *e)
{
    executions_add(&a->executions, e);
    activity_submitted(&a->activity, execution_id(e), world_now_ms(a->world));
    timer_start(a->world, a->watchdog, WATCHDOG_MS, WATCHDOG_MS);
    memory_guard_wake(a->memory_guard);
    agent_changed(a);
}

/* -- what executions tell -- */

static void on_news(struct execution *e, void *user)
{
    (void)e;
    agent_changed(user);
}

static void on_ended(struct execution *e, void *user)
{
    struct agent *a = user;
    LOG(LOG_INFO, "execution_ended", KV("execution", execution_id(e)),
        KV("status", execution_status(e)));
    activity_ended(&a->activity, world_now_ms(a->world));
    agent_changed(a);
    if (a->warm)
        warm_fill(a->warm);
}

/* -- warm interpreters -- */

static bool is_busy(void *user)
{
    const struct agent *a = user;
    return a->activity.running > 0 || setup_state(&a->setup) == SETUP_RUNNING;
}

static bool give_up_warm(void *user)
{
    struct agent *a = user;
    return a->warm && warm_give_up(a->warm);
}

static void limit_memory(struct agent *a)
{
    const struct memory_guard_host host = {
        .world = a->world,
        .limit_bytes = a->limits.memory_bytes,
        .workspace_bytes = a->limits.workspace_bytes,
        .workspace = WORKSPACE,
        .busy = is_busy,
        .give_up = give_up_warm,
        .user = a,
    };
    if (own_kernel_is_there())
        a->memory_guard = memory_guard_new(&host);
}

void agent_listening(struct agent *a)
{
    limit_memory(a);
    const struct warm_host host = {
        .loop = a->loop,
        .languages = &a->languages,
        .runtimes = a->host.runtimes,
        .workspace = a->host.workspace,
        .busy = is_busy,
        .user = a,
    };
    if (!a->limits.warm)
        return;
    a->host.warm = a->warm = warm_new(&host);
    warm_fill(a->warm);
}

static void on_context_changed(void *user)
{
    struct agent *a = user;
    activity_changed(&a->activity);
    agent_changed(a);
}

/* -- what is installed before the session is ready -- */

static void on_setup_changed(void *user)
{
    struct agent *a = user;
    if (setup_state(&a->setup) == SETUP_DONE && !a->activity.started)
        activity_start(&a->activity, world_now_ms(a->world));
    else
        activity_changed(&a->activity);
    agent_changed(a);
}

int agent_set_up(struct agent *a, const struct json_t *start, struct err *err)
{
    a->setup.changed = on_setup_changed;
    a->setup.user = a;
    int rc = setup_begin(&a->setup, &a->host, start, a->limits.setup_ms, err);
    if (rc == 0 && setup_state(&a->setup) == SETUP_NONE)
        activity_start(&a->activity, world_now_ms(a->world));
    memory_guard_wake(a->memory_guard);
    return rc;
}

/* -- the beginning -- */

static int copy_env(const char *name, char *out, size_t size, struct err *err)
{
    const char *value = getenv(name);
    if (!value || value[0] == '\0' || strlen(value) >= size)
        return err_set(err, ERR_CONFIG, "%s is missing or too long", name);
    snprintf(out, size, "%s", value);
    return 0;
}

static int read_identity(struct agent *a, struct err *err)
{
    int rc = copy_env("SPILLWAY_SESSION_ID", a->session_id, sizeof(a->session_id), err);
    if (rc == 0)
        rc = copy_env("SPILLWAY_EPOCH", a->epoch, sizeof(a->epoch), err);
    if (rc < 0)
        return rc;
    const char *sum = getenv("SPILLWAY_TOKEN_SHA256");
    if (!token_init(&a->token, sum ? sum : ""))
        return err_set(err, ERR_CONFIG, "SPILLWAY_TOKEN_SHA256 must be 64 hex digits");
    return agent_limits_parse(&a->limits, getenv("SPILLWAY_LIMITS"), err);
}

int agent_init(struct agent *a, struct loop *l, const char *data, struct err *err)
{
    *a = (struct agent){.loop = l, .world = loop_world(l)};
    int rc = read_identity(a, err);
    if (rc < 0)
        return rc;
    char path[4096];
    snprintf(path, sizeof(path), "%s/languages.yaml", data);
    rc = languages_read(&a->languages, path, err);
    /* For tests: as on a kernel that has less. */
    if (rc == 0)
        rc = workspace_open(&a->files.workspace, WORKSPACE, getenv("SPILLWAY_AGENT_PLAIN_PATHS"),
                            err);
    if (rc < 0)
        return rc;
    activity_init(&a->activity, world_now_ms(a->world));
    executions_init(&a->executions);
    a->polls = long_polls_new(l);
    a->watchers = event_watchers_new(l);
    a->deadline = timer_new(a->world, on_deadline, a);
    a->strays = timer_new(a->world, on_strays, a);
    a->watchdog = timer_new(a->world, on_watchdog, a);
    a->host = (struct execution_host){
        .loop = l,
        .limits = &a->limits,
        .session_id = a->session_id,
        .runtimes = mem_format("%s/runtimes", data),
        .workspace = WORKSPACE,
        .files = &a->files.workspace,
        .session_env = &a->session_env,
        .contexts = &a->contexts,
        .news = on_news,
        .ended = on_ended,
        .kill_strays = kill_strays,
        .user = a,
    };
    const struct contexts_conf contexts = {
        .host = {.loop = l,
                 .runtimes = a->host.runtimes,
                 .workspace = a->host.workspace,
                 .session_env = &a->session_env,
                 .kill_strays = kill_strays,
                 .user = a},
        .changed = on_context_changed,
    };
    contexts_init(&a->contexts, &contexts);
    return 0;
}
