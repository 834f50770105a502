#include "sandbox/execution_ending.h"
#include "base/json.h"
#include "sandbox/launcher.h"
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>

static bool by_signal(const struct execution_ending *n)
{
    return n->has_wait_status && WIFSIGNALED(n->wait_status);
}

const char *execution_ending_status(const struct execution_ending *n)
{
    switch (n->cause) {
    case EXECUTION_BY_TIMEOUT:
        return "timeout";
    case EXECUTION_BY_CANCEL:
    case EXECUTION_BY_DEADLINE:
    case EXECUTION_BY_CONTEXT:
        return "killed";
    case EXECUTION_BY_FAILURE:
        return "failed";
    case EXECUTION_BY_LOSS:
        return n->memory_killed ? "oom" : "killed";
    case EXECUTION_BY_EXIT:
        break;
    }
    if (by_signal(n)) /* none of ours: we kill for other causes only */
        return n->memory_killed && WTERMSIG(n->wait_status) == SIGKILL ? "oom" : "killed";
    return WEXITSTATUS(n->wait_status) == 0 ? "completed" : "failed";
}

void execution_ending_settle(struct execution_ending *n)
{
    bool wished = n->cause == EXECUTION_BY_TIMEOUT || n->cause == EXECUTION_BY_CANCEL ||
                  n->cause == EXECUTION_BY_DEADLINE;
    bool exited = n->has_wait_status && WIFEXITED(n->wait_status);
    /* What is to be killed is stopped before (containment_round()). */
    if (wished && exited && !n->compiling && n->context == EXECUTION_NO_CONTEXT)
        n->cause = EXECUTION_BY_EXIT;
}

void execution_ending_signal_name(int signum, char *out)
{
    const char *name = sigabbrev_np(signum);
    if (name)
        snprintf(out, 24, "SIG%s", name);
    else if (signum >= SIGRTMIN && signum <= SIGRTMAX)
        snprintf(out, 24, "SIGRTMIN+%d", signum - SIGRTMIN);
    else
        snprintf(out, 24, "SIG%d", signum);
}

static struct json_t *error_object(const char *name, const char *value)
{
    struct json_t *j = json_new_object();
    json_set_text(j, "name", name);
    json_set_text(j, "value", value);
    json_set_text(j, "traceback", NULL);
    return j;
}

static struct json_t *launch_error(const struct execution_ending *n)
{
    static const char *const steps[] = {
        [LAUNCH_STEP_FORK] = "cannot start a process",
        [LAUNCH_STEP_CWD] = "cannot enter the working folder",
        [LAUNCH_STEP_FILTER] = "cannot install the system call filter",
        [LAUNCH_STEP_EXEC] = "cannot execute the language's program",
    };
    char text[160];
    int step = n->launch_step >= 0 && n->launch_step < (int)ARRAY_LEN(steps) ? n->launch_step : 0;
    snprintf(text, sizeof(text), "%s: %s", steps[step], strerrordesc_np(n->launch_errno));
    return error_object("LaunchError", text);
}

/* What the end itself says; NULL when the code's own words are all there is. */
static struct json_t *error_of_cause(const struct execution_ending *n)
{
    static const char *const timeouts[] = {
        "the execution ran longer than its time-out",
        "the execution ran longer than its time-out; its context was kept",
        "the execution ran longer than its time-out; its context was ended",
    };
    static const char *const cancels[] = {
        "the execution was cancelled",
        "the execution was cancelled; its context was kept",
        "the execution was cancelled; its context was ended",
    };
    switch (n->cause) {
    case EXECUTION_BY_TIMEOUT:
        return error_object("TimeoutError", n->compiling
                                                ? "the compiler ran longer than its time-out"
                                                : timeouts[n->context]);
    case EXECUTION_BY_CANCEL:
        return error_object("Cancelled", cancels[n->context]);
    case EXECUTION_BY_CONTEXT:
        return error_object("ContextEnded", "the execution's context was ended");
    case EXECUTION_BY_DEADLINE:
        return error_object("DeadlineExceeded", "the session reached its deadline");
    case EXECUTION_BY_FAILURE:
        return launch_error(n);
    case EXECUTION_BY_LOSS:
        return error_object("Killed", "the execution's leader process was killed");
    case EXECUTION_BY_EXIT:
        break;
    }
    return NULL;
}

static struct json_t *error_of_code(const struct value_report *r)
{
    if (!r->error_name.at)
        return json_new_null();
    struct json_t *j = json_new_object();
    json_set(j, "name", value_report_text(r->error_name));
    json_set(j, "value", value_report_text(r->error_value));
    json_set(j, "traceback", value_report_text(r->traceback));
    return j;
}

void execution_ending_print(const struct execution_ending *n, struct slice value_bytes,
                            struct json_t *result)
{
    struct value_report r = {0};
    char signal_name[24];
    bool signalled = n && by_signal(n);
    if (n)
        value_report_parse(&r, value_bytes);
    if (signalled)
        execution_ending_signal_name(WTERMSIG(n->wait_status), signal_name);
    bool exited =
        n && n->has_wait_status && WIFEXITED(n->wait_status) && n->cause != EXECUTION_BY_FAILURE;
    json_set(result, "exit_code",
             exited ? json_new_int(WEXITSTATUS(n->wait_status)) : json_new_null());
    json_set_text(result, "signal", signalled ? signal_name : NULL);
    json_set(result, "result", value_report_text(r.value));
    json_set_bool(result, "result_truncated", r.cut || r.value.len > VALUE_REPORT_TEXT_MAX);
    struct json_t *displays = json_new_array();
    bool whole = !n || value_report_add_displays(value_bytes, displays);
    json_set(result, "display", displays);
    if (!whole)
        json_set_bool(result, "display_truncated", true);
    struct json_t *error = n ? error_of_cause(n) : NULL;
    if (!error)
        error = error_of_code(&r);
    if (n && n->compiling && json_is_object(error))
        json_set_text(error, "phase", "compile");
    json_set(result, "error", error);
}

void execution_ending_set_time(struct json_t *j, const char *member, int64_t wall_ms)
{
    if (wall_ms == 0) {
        json_set_text(j, member, NULL);
        return;
    }
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    char date[32], text[48];
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text, sizeof(text), "%s.%03" PRId64 "Z", date, wall_ms % 1000);
    json_set_text(j, member, text);
}
