/* execution_states.h - one run of code as a state machine: the table alone, which gateways show
 * too. */
#pragma once
#include "base/fsm.h"

#define EXECUTION_STATES(X)                                                                        \
    X(EXECUTION, RUNNING, FSM_TO(EXECUTION_KILLING) | FSM_TO(EXECUTION_ENDED))                     \
    X(EXECUTION, KILLING, FSM_TO(EXECUTION_ENDED))                                                 \
    X(EXECUTION, ENDED, 0)
enum execution_state { EXECUTION_STATES(FSM_ENUM) EXECUTION_STATE_COUNT };

extern const struct fsm_table EXECUTION_FSM;
