/* agent.h - one session's agent: its limits, what it runs, who waits. Plain data for the files that
 * serve its calls.
 *
 * Ownership: main owns the agent; all parts live as long as it. Loop: all on the loop. */
#pragma once
#include "sandbox/activity.h"
#include "sandbox/contexts.h"
#include "sandbox/event_watchers.h"
#include "sandbox/executions.h"
#include "sandbox/files.h"
#include "sandbox/language.h"
#include "sandbox/long_poll.h"
#include "sandbox/memory_guard.h"
#include "sandbox/setup.h"
#include "sandbox/token.h"
#include "sandbox/warm.h"

struct agent {
    struct loop *loop;
    struct world *world;
    char session_id[64];
    char epoch[65];
    struct token token;
    struct agent_limits limits;
    struct languages languages;
    struct text_list session_env;
    struct activity activity;
    struct execution_host host;
    struct executions executions;
    struct warm *warm; /* NULL: switched off */
    struct contexts contexts;
    struct setup setup;
    struct long_polls *polls;
    struct event_watchers *watchers;
    struct files files;
    struct timer *deadline; /* and then the exit */
    struct timer *strays;
    int stray_rounds;
    struct timer *watchdog;
    struct memory_guard *memory_guard; /* NULL: the kernel does it */
    void (*quit)(struct agent *a);
};

/* Reads SPILLWAY_SESSION_ID, _EPOCH, _TOKEN_SHA256, _LIMITS from the environment; `data` is the
 * folder with languages.yaml and runtimes/. ERR_CONFIG. */
int agent_init(struct agent *a, struct loop *l, const char *data, struct err *err) CHECK_RESULT;
/* The port is open: what may wait until then is begun. */
void agent_listening(struct agent *a);
/* Something changed that a waiting call may want to hear of. */
void agent_changed(struct agent *a);
void agent_set_deadline(struct agent *a, int64_t after_ms);
void agent_stop_all(struct agent *a, enum execution_cause cause);
/* Installs what the body of /v1/start names; where that is nothing, or done, the session starts. */
int agent_set_up(struct agent *a, const struct json_t *start, struct err *err) CHECK_RESULT;
/* Takes an execution that has just begun. */
void agent_submitted(struct agent *a, struct execution *e);
/* Children ended: reaps them all. */
void agent_reap(struct agent *a);
