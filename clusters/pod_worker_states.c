#include "clusters/pod_worker_states.h"

static const struct fsm_state STATES[] = {POD_WORKER_STATES(FSM_STATE)};
const struct fsm_table POD_WORKER_FSM = {"pod_worker", STATES, WORKER_STATE_COUNT};
