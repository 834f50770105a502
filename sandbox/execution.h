/* execution.h - one run of code: started, fed, listened to, ended for certain.
 *
 * States:    RUNNING → KILLING → ENDED, or RUNNING → ENDED when nothing but the code was left. The
 * cause of the end is decided once, when RUNNING is left; exit code and signal always come from
 * wait(). Ownership: heap object; gives. May be freed when execution_may_free() says so: ended, its
 * leader reaped, no reference held. Callbacks: host->news on new output, host->ended exactly once;
 * never before the call that led to them returned. */
#pragma once
#include "base/fsm.h"
#include "base/loop.h"
#include "sandbox/event_stream.h"
#include "sandbox/exec_request.h"
#include "sandbox/execution_states.h"
#include "sandbox/language.h"
#include <sys/types.h>

enum execution_cause {
    EXECUTION_BY_EXIT, /* the code ended by itself */
    EXECUTION_BY_TIMEOUT,
    EXECUTION_BY_CANCEL,
    EXECUTION_BY_DEADLINE, /* the session's */
    EXECUTION_BY_FAILURE,  /* the code was never started */
    EXECUTION_BY_LOSS,     /* the leader died */
    EXECUTION_BY_CONTEXT   /* its context was ended */
};

struct execution;
struct warm;
struct contexts;
struct workspace;

/* What all executions of an agent share; borrowed. */
struct execution_host {
    struct loop *loop;
    const struct agent_limits *limits;
    const char *session_id;
    const char *runtimes;  /* folder */
    const char *workspace; /* its path */
    const struct workspace *files;
    const struct text_list *session_env;
    struct warm *warm; /* NULL: every start is a cold one */
    struct contexts *contexts;
    void (*news)(struct execution *e, void *user);
    void (*ended)(struct execution *e, void *user);
    /* One round of containment over what no leader leads any more; returns how many were left. */
    size_t (*kill_strays)(void *user);
    void *user;
};

/* Takes the request's parts. ERR_UNAVAILABLE, ERR_WORKSPACE_FULL, ERR_INVALID_ARGUMENT (cwd, or
 * what the language has not), ERR_CONTEXT_*: nothing was started. */
struct execution *execution_start(const struct execution_host *host, const char *id,
                                  const struct language *language, struct exec_request *request,
                                  struct err *err) CHECK_RESULT;
void execution_free(struct execution **e);
bool execution_may_free(const struct execution *e);
void execution_hold(struct execution *e);
void execution_release(struct execution *e);

const char *execution_id(const struct execution *e);
const char *execution_fingerprint(const struct execution *e);
/* running completed failed timeout killed oom */
const char *execution_status(const struct execution *e);
bool execution_is_ended(const struct execution *e);
size_t execution_memory(const struct execution *e);
/* The result object without outputs; gives. */
struct json_t *execution_meta(const struct execution *e) CHECK_RESULT;
/* `meta` stays the caller's. */
struct result_source execution_source(const struct execution *e, const struct json_t *meta);
struct event_source execution_events(const struct execution *e, const struct json_t *meta);

/* Kills all it started; nothing happens when it is ending already. */
void execution_stop(struct execution *e, enum execution_cause cause);
/* ERR_STDIN_CLOSED, ERR_BUSY (the program does not read). */
int execution_feed(struct execution *e, struct slice bytes, bool eof, struct err *err) CHECK_RESULT;

/* The leader's process while it was not reaped, else 0. */
pid_t execution_leader(const struct execution *e);
/* True: nothing was left below it when the code ended. */
bool execution_leader_reaped(struct execution *e);
bool execution_is_warm(const struct execution *e);
bool execution_is_stored(const struct execution *e);
void execution_set_stored(struct execution *e);
