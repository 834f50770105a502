#include "sandbox/process_calls.h"
#include "base/json.h"
#include "http/http_reply.h"
#include "http/problem.h"
#include "sandbox/agent.h"
#include "sandbox/processes.h"
#include <limits.h>
#include <signal.h>
#include <stdio.h>

#define LIMIT_MAX 1000
/* A full page of the longest command lines, every byte of them escaped. */
#define PAGE_MAX ((size_t)LIMIT_MAX * (6 * PROCESSES_COMMAND_MAX + 1024))

void process_calls_list(struct http_exchange *x, const struct http_route_match *m, void *agent)
{
    (void)m;
    struct agent *a = agent;
    struct slice query = http_exchange_head(x)->query;
    int64_t limit = LIMIT_MAX, after = 0;
    struct err err;
    struct buf body;
    if (http_query_int(query, "limit", 1, LIMIT_MAX, &limit, &err) < 0 ||
        http_query_int(query, "continue", 0, INT_MAX, &after, &err) < 0) {
        problem_reply(x, &err);
        return;
    }
    if (!files_admit(x, a))
        return;
    buf_init(&body, PAGE_MAX);
    processes_print(&body, (pid_t)after, (int)limit, world_wall_ms(a->world));
    INVARIANT(!body.overflowed);
    http_reply(x, 200, "application/json", buf_slice(&body));
    buf_fini(&body);
}

static int read_pid(struct slice text, pid_t *out, struct err *err)
{
    int64_t pid = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9' || pid > INT_MAX / 10)
            return err_set(err, ERR_INVALID_ARGUMENT, "a process is named by its number");
        pid = pid * 10 + (text.at[i] - '0');
    }
    if (pid < 1 || pid > INT_MAX)
        return err_set(err, ERR_INVALID_ARGUMENT, "a process is named by its number");
    *out = (pid_t)pid;
    return 0;
}

static int read_signal(struct slice query, int *out, struct err *err)
{
    char text[16] = "KILL";
    int bad = 0;
    http_query_get(query, "signal", text, sizeof(text), &bad);
    *out = bad == 0 ? processes_signal(text) : 0;
    if (*out == 0)
        return err_set(err, ERR_INVALID_ARGUMENT,
                       "signal must be a name as TERM or SIGTERM, or a number from 1 to %d",
                       NSIG - 1);
    return 0;
}

void process_calls_kill(struct http_exchange *x, const struct http_route_match *m, void *agent)
{
    struct agent *a = agent;
    char name[24];
    int signum;
    pid_t pid = 0;
    struct err err;
    if (read_pid(m->params[0], &pid, &err) < 0 ||
        read_signal(http_exchange_head(x)->query, &signum, &err) < 0) {
        problem_reply(x, &err);
        return;
    }
    if (!files_admit(x, a))
        return;
    if (processes_kill(pid, signum, &err) < 0) {
        problem_reply(x, &err);
        return;
    }
    const char *abbreviation = sigabbrev_np(signum);
    if (abbreviation)
        snprintf(name, sizeof(name), "SIG%s", abbreviation);
    else
        snprintf(name, sizeof(name), "%d", signum);
    http_reply_json(x, 200, json_build("{s:i,s:s}", "pid", (int)pid, "signal", name));
}
