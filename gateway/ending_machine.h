/* ending_machine.h - inside of ending: the machine and what its steps share (for nobody else).
 *
 * Split: ending.c is the interface, the machine, and the pod's removal · ending_agent.c asks the
 * agent: its consent, what ran, results to be copied · ending_memory.c writes the tombstone, or
 * finds another gateway's.
 *
 * A step starts its one call. It and the callbacks of its call end with one of ending_go(),
 * _retry() and _abandon(), or wait for more. */
#pragma once
#include "base/fsm.h"
#include "gateway/ending.h"
#include <stdint.h>

struct agent_call;
struct execution_census;
struct json_t;
struct kube_call;
struct record_copy;
struct timer;
struct tombstone;

#define ENDING_STEPS(X)                                                                            \
    X(ENDING_STEP, QUIESCE,                                                                        \
      FSM_TO(ENDING_STEP_LIST) | FSM_TO(ENDING_STEP_LOOK) | FSM_TO(ENDING_STEP_WITHDRAW))          \
    X(ENDING_STEP, LIST,                                                                           \
      FSM_TO(ENDING_STEP_COPY) | FSM_TO(ENDING_STEP_LOOK) | FSM_TO(ENDING_STEP_TOMBSTONE))         \
    X(ENDING_STEP, COPY, FSM_TO(ENDING_STEP_TOMBSTONE) | FSM_TO(ENDING_STEP_LOOK))                 \
    X(ENDING_STEP, WITHDRAW,                                                                       \
      FSM_TO(ENDING_STEP_TOMBSTONE) | FSM_TO(ENDING_STEP_LOOK) | FSM_TO(ENDING_STEP_QUIESCE))      \
    X(ENDING_STEP, LOOK,                                                                           \
      FSM_TO(ENDING_STEP_TOMBSTONE) | FSM_TO(ENDING_STEP_DELETE) | FSM_TO(ENDING_STEP_DONE))       \
    X(ENDING_STEP, TOMBSTONE, FSM_TO(ENDING_STEP_DELETE) | FSM_TO(ENDING_STEP_DONE))               \
    X(ENDING_STEP, DELETE, FSM_TO(ENDING_STEP_WAIT_GONE) | FSM_TO(ENDING_STEP_DONE))               \
    X(ENDING_STEP, WAIT_GONE, FSM_TO(ENDING_STEP_DELETE) | FSM_TO(ENDING_STEP_DONE))               \
    X(ENDING_STEP, DONE, 0)

enum ending_step { ENDING_STEPS(FSM_ENUM) ENDING_STEP_COUNT };

struct ending_rules {
    const char *word;
    bool forced, asks_agent, is_error;
    const char *message;
};

struct ending {
    struct gateway *g;
    struct session *s;
    enum ending_cause cause;
    struct fsm fsm;
    struct timer *timer;
    int64_t begun_ms, retry_ms;
    bool agreed;       /* the agent refuses what comes; its list is complete */
    bool learnt;       /* another gateway's tombstone says why it ended */
    bool silent_agent; /* given up asking it */
    bool moved;        /* another site has it now */
    bool claimed;      /* … as a claim says, which may be a dead gateway's */
    int looks;
    struct agent_call *call;
    struct execution_census *census;
    struct record_copy *copy;
    struct kube_call *kube;
    bool in_store;                      /* a callback of the result store will come */
    bool dead;                          /* to be freed by it */
    struct json_t *executions, *let_go; /* as the agent told them */
    bool complete;
    struct json_t *unstored;
    struct tombstone *tomb;
};

/* -- the steps -- */

void ending_step_quiesce(struct ending *e);
void ending_step_list(struct ending *e);
void ending_step_copy(struct ending *e);
/* The pod went without us; perhaps another gateway ended it and said why. */
void ending_step_look(struct ending *e);
void ending_step_tombstone(struct ending *e);

/* -- moving on -- */

void ending_go(struct ending *e, enum ending_step to);
void ending_retry(struct ending *e); /* the same step, a little later each time */
/* The agent has work: the session lives on, and the ending is gone. */
void ending_abandon(struct ending *e);
/* A callback of the result store begins with it. False: the ending is over since, and gone now. */
bool ending_goes_on(struct ending *e);

/* -- what is known -- */

const struct ending_rules *ending_rules(const struct ending *e);
enum ending_step ending_step_now(const struct ending *e);
int64_t ending_now_ms(const struct ending *e);
/* So long behind the hard deadline that the pod goes though its results are not safe. */
bool ending_past_grace(const struct ending *e);
bool ending_agent_is_out(const struct ending *e); /* it cannot be asked any more, or need not be */
void ending_show_stopping(struct ending *e);
