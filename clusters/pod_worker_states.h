/* pod_worker_states.h - a pod's life on the embedded node as a state machine: the table alone,
 * which gateways show too. */
#pragma once
#include "base/fsm.h"

#define POD_WORKER_STATES(X)                                                                       \
    X(WORKER, WAITING,                                                                             \
      FSM_TO(WORKER_FURNISHING) | FSM_TO(WORKER_RUNNING) | FSM_TO(WORKER_DELETING) |               \
          FSM_TO(WORKER_ENDED) | FSM_TO(WORKER_GONE))                                              \
    X(WORKER, FURNISHING, FSM_TO(WORKER_STARTING) | FSM_TO(WORKER_DELETING))                       \
    X(WORKER, STARTING, FSM_TO(WORKER_RUNNING) | FSM_TO(WORKER_DELETING))                          \
    X(WORKER, RUNNING,                                                                             \
      FSM_TO(WORKER_SWEEPING) | FSM_TO(WORKER_STOPPING) | FSM_TO(WORKER_DELETING))                 \
    X(WORKER, SWEEPING, FSM_TO(WORKER_STARTING) | FSM_TO(WORKER_DELETING))                         \
    X(WORKER, STOPPING, FSM_TO(WORKER_DELETING))                                                   \
    X(WORKER, DELETING, FSM_TO(WORKER_CLEARING))                                                   \
    X(WORKER, CLEARING, FSM_TO(WORKER_ENDED) | FSM_TO(WORKER_GONE))                                \
    X(WORKER, ENDED, FSM_TO(WORKER_GONE))                                                          \
    X(WORKER, GONE, 0)

enum worker_state { POD_WORKER_STATES(FSM_ENUM) WORKER_STATE_COUNT };

extern const struct fsm_table POD_WORKER_FSM;
