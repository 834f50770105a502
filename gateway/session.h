/* session.h - one living session as this gateway knows it: its state machine and what moves it.
 * Pure: time from outside.
 *
 * What is here is rebuilt at any time from the pod (session_see_pod) and from the agent
 * (session_see_activity). Ownership: counted. The table, a waiter, and each machine that works on a
 * session hold a reference; what ended stays readable for those who still hold one. */
#pragma once
#include "base/digest.h"
#include "base/fsm.h"
#include "base/slice.h"
#include "gateway/session_id.h"
#include "gateway/session_spec.h"
#include "http/upstream.h"
#include <stdint.h>
#include <uthash.h>

struct kube_pod;
struct json_t;
struct tender;
struct ending;
struct remote_session;
struct remote_placement;
struct agent_call;
struct deadline_check;
struct start_check;
struct session;

#define SESSION_STATES(X)                                                                          \
    X(SESSION, PENDING,                                                                            \
      FSM_TO(SESSION_CREATING) | FSM_TO(SESSION_STOPPING) | FSM_TO(SESSION_ERROR))                 \
    X(SESSION, CREATING,                                                                           \
      FSM_TO(SESSION_READY) | FSM_TO(SESSION_EXECUTING) | FSM_TO(SESSION_STOPPING) |               \
          FSM_TO(SESSION_ERROR))                                                                   \
    X(SESSION, READY,                                                                              \
      FSM_TO(SESSION_EXECUTING) | FSM_TO(SESSION_STOPPING) | FSM_TO(SESSION_ERROR))                \
    X(SESSION, EXECUTING,                                                                          \
      FSM_TO(SESSION_READY) | FSM_TO(SESSION_STOPPING) | FSM_TO(SESSION_ERROR))                    \
    X(SESSION, STOPPING, FSM_TO(SESSION_STOPPED) | FSM_TO(SESSION_ERROR))                          \
    X(SESSION, STOPPED, 0)                                                                         \
    X(SESSION, ERROR, 0)

enum session_state { SESSION_STATES(FSM_ENUM) SESSION_STATE_COUNT };

/* Why a session ended, on the wire. */
#define SESSION_REASON_SIZE  32
#define SESSION_MESSAGE_SIZE 256

typedef void session_waiter_f(void *user);

/* Is told once of the next change; embedded in the one who waits. */
struct session_waiter {
    struct session_waiter *prev, *next; /* NULL when not waiting */
    session_waiter_f *fn;
    void *user;
};

/* The agent's words, GET /v1/activity. */
struct session_activity {
    int64_t seq;
    bool started, quiesced;
    int64_t running;
    int64_t idle_ms;
    int64_t executions;
    int64_t last_end_ms;
    int64_t tended_ms;
    int64_t left_ms; /* to the deadline, as the agent counts it; 0: not told */
    char last_execution[EXECUTION_ID_SIZE]; /* "": none */
    char tender[EXECUTION_ID_SIZE];
    char epoch[33];
    bool setting_up, setup_failed; /* it installs packages first; that was in vain */
    char *setup;                   /* its words about that; owned, NULL: none */
    struct json_t *unstored;       /* array; owned, NULL: none */
};

struct session {
    /* What session_view() shows is here and in three texts below: session_text sums it up. */
    char id[SESSION_ID_SIZE];
    struct fsm fsm;
    struct session_spec spec;
    char pod_name[SESSION_ID_SIZE];
    char namespace_name[SESSION_ID_SIZE];
    char pod_trouble[SESSION_REASON_SIZE]; /* reason that the pod itself gives: oom_killed, evicted,
                                              … */
    char reason[SESSION_REASON_SIZE];      /* of the end */
    int64_t created_wall_ms, ready_wall_ms, deadline_wall_ms, ended_wall_ms;
    int64_t activity_wall_ms;
    char last_execution[EXECUTION_ID_SIZE];
    char site[SESSION_ID_SIZE]; /* where it runs when not here; "" */
    struct json_t *view;        /* of a remote one: as its site last showed it; owned */

    char tenant[SESSION_ID_SIZE];            /* the first that is not summed up as it is */
    char *node_name, *pod_message, *message; /* session_set_text()'s: owned, NULL: nothing */
    struct fsm_history history;              /* since it stands in the table */
    char epoch[33], nonce[33];
    char fingerprint[DIGEST_HEX];
    struct json_t *env; /* only where the session was created, until the agent has it */
    char pod_uid[64];
    struct upstream_target agent; /* host "" until the pod has an address */
    bool pod_ready;
    bool pod_ran;                   /* its containers were seen running, so code may have */
    bool pod_gone;                  /* deleted from the cluster */
    bool pod_over;                  /* Succeeded or Failed */
    bool pod_deleting;              /* deletionTimestamp is set */
    int64_t unschedulable_since_ms; /* 0: it is not */
    struct err *failure; /* placement: what whoever waits for it is told; owned, or NULL */

    int64_t created_ms;                        /* monotonic, of this gateway's knowledge */
    int64_t posted_ms, bound_ms, pod_ready_ms; /* the pod's first moments, monotonic; 0: not yet */
    struct session_activity activity;          /* last seen */
    int64_t activity_seen_ms;                  /* when; 0: never */
    int64_t agent_ahead_ms;    /* its deadline was moved by so much, its pod's not seen to be yet */
    struct json_t *executions; /* ids that this gateway knows of: {eid: "running" | "stored"}; for
                                  the case that the pod is lost; NULL: none */
    int key_index;             /* which site key the pod's token was made with */

    char wish[SESSION_ID_SIZE];        /* what its creator asked for; only where it was created */
    struct remote_session *remote;     /* of a remote one that is in the table */
    struct remote_placement *handover; /* it is being handed to another site */

    struct tender *tender;
    struct ending *ending;
    bool placed_here;          /* this gateway made its pod */
    bool is_new_id;            /* made for it just now: nobody else can have used it */
    bool superseded;           /* another incarnation has its name: who waited looks anew */
    int64_t refused_ms;        /* when the agent last refused to end; 0: never */
    int64_t probed_ms;         /* sweeper: last asked who tends it */
    int64_t untended_since_ms; /* sweeper: nobody ever tended it, first seen then; 0: not so */
    struct agent_call *probe;
    struct deadline_check *deadline_check; /* the pod is asked whether its deadline stands */
    struct start_check *start_check;       /* … whether it did not come up */

    struct session_waiter waiters; /* ring */
    bool wake_planned;
    int references;
    struct {
        char token[DIGEST_HEX];
        char epoch[33], nonce[33]; /* what it was made from */
        int key_index;
    } signed_for;     /* agent_call.c's */
    char *shown_text; /* session_text.c's */
    size_t shown_len;
    uint64_t shown_sum;
    struct json_t *shown_view; /* held, so that another one is never at its address */
    UT_hash_handle hh;         /* session_table's */
};

struct session *session_new(const char *id, const char *tenant, uint16_t agent_port,
                            int64_t now_ms) CHECK_RESULT;
struct session *session_ref(struct session *s);
/* node_name, pod_message or message, of at most SESSION_MESSAGE_SIZE with its end. True: changed.
 */
bool session_set_text(char **at, const char *text);
void session_set_failure(struct session *s, const struct err *err);
void session_unref(struct session *s);

enum session_state session_state(const struct session *s);
/* For lists: whose agent this gateway has not asked is taken at its pod's word. */
enum session_state session_state_listed(const struct session *s);
const char *session_state_word(enum session_state s); /* "pending" … */
bool session_state_from_word(const char *word, enum session_state *out);
bool session_is_over(const struct session *s);   /* STOPPED or ERROR */
bool session_is_going(const struct session *s);  /* or over: it, or its pod */
bool session_is_usable(const struct session *s); /* READY or EXECUTING, and nobody ends it */
bool session_is_started(const struct session *s);
/* Known not to have begun: its pod never ran, or its agent said so since then. An agent that was
 * not heard yet may have been started by another gateway long ago. */
bool session_is_unstarted(const struct session *s, int64_t since_ms);
/* Others may have used it, and its agent has never answered here: what ran there is not known. */
bool session_is_silent(const struct session *s);
/* A pod that only is not ready just now, on a node that does not report, may run code. */
bool session_never_was_ready(const struct session *s);
bool session_is_remote(const struct session *s);

/* The pod as the store shows it. True when anything that others can see has changed. */
bool session_see_pod(struct session *s, const struct kube_pod *pod, int64_t now_ms);
/* Takes the identity of a pod that exists already (after a restart, or when a create met it). */
void session_adopt_pod(struct session *s, const struct kube_pod *pod);
/* 0, or below 0: no JSON, or numbers that no agent of ours says; on success *out owns what
 * session_activity_fini() drops. */
int session_activity_parse(struct session_activity *out, struct slice body,
                           struct err *err) CHECK_RESULT;
void session_activity_fini(struct session_activity *a);
/* The agent's answer; takes *a. True when anything visible has changed. */
bool session_see_activity(struct session *s, struct session_activity *a, int64_t now_ms,
                          int64_t wall_ms);
/* The agent took an execution. */
void session_see_execution(struct session *s, const char *execution_id, bool running,
                           int64_t wall_ms);
void session_note_execution(struct session *s, const char *execution_id, const char *state);

/* To the deadline; below 0: past it. By clocks that only go forward, as soon as the agent was
 * heard, or where the session was made: a wall clock may be wrong, and step. */
int64_t session_left_ms(const struct session *s, int64_t now_ms, int64_t wall_ms);
/* Why it is over by its own rules, or NULL: "deadline", "completion", "idle". *in_ms: when the next
 * rule may bite (always set). */
const char *session_due(const struct session *s, int64_t now_ms, int64_t wall_ms, int64_t *in_ms);

void session_wait(struct session *s, struct session_waiter *w, session_waiter_f *fn, void *user);
void session_unwait(struct session_waiter *w);
bool session_has_waiters(const struct session *s);
/* Tells all who wait now; those who wait again are told of the next change. */
void session_wake(struct session *s);

extern const struct fsm_table SESSION_FSM;
