/* ending.h - a session's way out: the agent's consent, its results to the store, the tombstone,
 * then the pod.
 *
 *   QUIESCE → LIST → COPY → TOMBSTONE → DELETE → WAIT_GONE
 *
 * What never was ready has no agent to ask: WITHDRAW removes the pod if it is as it was seen.
 * No pod is deleted for idle or completion before the agent has agreed; no pod is deleted before
 * its results are safe, unless the hard deadline has passed. Every step may be done by two gateways
 * at once without harm: the delete carries the pod's UID. Ownership: the ending belongs to its
 * session (s->ending), works by itself and goes when the session is over, or when the agent refused
 * (then the session is tended again). */
#pragma once
#include "base/cc.h"
#include "base/fsm.h"

struct gateway;
struct session;
struct ending;

#define ENDING_CAUSES(X)                                                                           \
    /* cause         word             forced agent  error  message */                              \
    X(DELETED, "deleted", true, true, false, "the client ended it")                                \
    X(COMPLETION, "completion", false, true, false, "its last execution ended")                    \
    X(IDLE, "idle", false, true, false, "nothing was asked of it for its idle time-out")           \
    X(DEADLINE, "deadline", true, true, false, "its time-out passed")                              \
    X(POD_OVER, "agent_lost", true, false, true, "its pod ended by itself")                        \
    X(POD_GONE, "agent_lost", true, false, true, "its pod was removed")                            \
    X(UNUSED, "unused", false, true, false, "nobody took it into use")                             \
    X(UNSCHEDULABLE, "unschedulable", true, false, true, "the cluster has no room for it")         \
    X(PACKAGES, "packages", true, true, true, "its packages could not be installed")               \
    X(START_FAILED, "start_failed", true, true, true, "it did not start in time")                  \
    /* of a pod only, stray_pods.h */                                                              \
    X(STRAY, "elsewhere", true, false, false, "its session is at another site, or was there since")

enum ending_cause {
#define X(name, word, forced, agent, error, message) ENDING_##name,
    ENDING_CAUSES(X)
#undef X
};

extern const struct fsm_table ENDING_FSM; /* its steps */

/* Begins the end; where one runs already, a forced cause makes it forced. */
void ending_start(struct gateway *g, struct session *s, enum ending_cause cause);
/* Something about the session's pod has changed. */
void ending_poke(struct ending *e);
const char *ending_state(const struct ending *e);
/* Another incarnation has the name already: over at once, no tombstone. */
void ending_supersede(struct gateway *g, struct session *s);
/* Program end: what is left is left to the other gateways. */
void ending_free(struct ending **e);
