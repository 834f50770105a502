/* context.h - an interpreter that stays: it runs one program after the other and keeps its
 * variables.
 *
 * States:    IDLE ⇄ RUNNING → KILLING → ENDED. It is told of a program on its descriptor 4, and
 * says `R` there when it is up and `D<exit code>` when a program is done; what it prints in between
 * is that program's. What a program starts lives on with the context and dies with it. Ownership:
 * heap object; gives. May be freed when ENDED and its leader was reaped. Callbacks: of the client
 * that runs, until exactly one of done and lost; `ended` of the host exactly once. All from the
 * loop, never before the call that led to them returned. */
#pragma once
#include "base/fsm.h"
#include "base/loop.h"
#include "sandbox/language.h"
#include <sys/types.h>

#define CONTEXT_STATES(X)                                                                          \
    X(CONTEXT, IDLE, FSM_TO(CONTEXT_RUNNING) | FSM_TO(CONTEXT_KILLING))                            \
    X(CONTEXT, RUNNING, FSM_TO(CONTEXT_IDLE) | FSM_TO(CONTEXT_KILLING))                            \
    X(CONTEXT, KILLING, FSM_TO(CONTEXT_ENDED))                                                     \
    X(CONTEXT, ENDED, 0)
enum context_state { CONTEXT_STATES(FSM_ENUM) CONTEXT_STATE_COUNT };
extern const struct fsm_table CONTEXT_FSM;

enum context_stream { CONTEXT_STDOUT, CONTEXT_STDERR, CONTEXT_VALUE, CONTEXT_STREAMS };

struct context;
struct json_t;

struct context_host {
    struct loop *loop;
    const char *runtimes; /* folder */
    const char *workspace;
    const struct text_list *session_env;
    void (*ended)(struct context *c, void *user);
    size_t (*kill_strays)(void *user);
    void *user;
};

struct context_client {
    void (*output)(void *user, enum context_stream stream, struct slice bytes);
    void (*done)(void *user, int exit_code);
    /* The interpreter ended: `wait_status` is NULL where it was not its own doing. */
    void (*lost)(void *user, const int *wait_status);
    void *user;
};

/* ERR_UNAVAILABLE. The language has a `context` command. */
struct context *context_start(const struct context_host *host, const char *id,
                              const struct language *language, struct err *err) CHECK_RESULT;
void context_free(struct context **c);
bool context_may_free(const struct context *c);

/* Runs one program: `args` are the code's file, its name and its arguments; cwd "": where the last
 * one was. ERR_CONTEXT_BUSY, ERR_CONTEXT_ENDED, ERR_PAYLOAD_TOO_LARGE. */
int context_run(struct context *c, const char *cwd, const struct text_list *args,
                const struct text_list *env, const struct context_client *client,
                struct err *err) CHECK_RESULT;
/* Ends the program and keeps the context where the language can; it has a second to obey. */
void context_interrupt(struct context *c);
void context_kill(struct context *c, const char *why);

pid_t context_leader(const struct context *c);
void context_leader_reaped(struct context *c);
const char *context_id(const struct context *c);
const struct language *context_language(const struct context *c);
bool context_is_over(const struct context *c); /* ended, or about to */
/* Why it ended: a sentence; borrowed. */
const char *context_why(const struct context *c);
/* context_id, language, created_at, busy; gives. */
struct json_t *context_object(const struct context *c) CHECK_RESULT;
