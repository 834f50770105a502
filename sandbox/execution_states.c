#include "sandbox/execution_states.h"

static const struct fsm_state STATES[] = {EXECUTION_STATES(FSM_STATE)};
const struct fsm_table EXECUTION_FSM = {"execution", STATES, EXECUTION_STATE_COUNT};
