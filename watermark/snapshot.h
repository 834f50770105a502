/* snapshot.h - the local site at one moment, for one shape of sandbox, as plain data: what decides
 * sees this and nothing else. */
#pragma once
#include "watermark/level.h"

struct snapshot {
    bool known; /* the store is synced and connected */
    int64_t taken_ms;
    int64_t slots;   /* free: node by node, without unbound pods and placements on their way */
    int64_t room;    /* as slots, but our own placements on their way are not deducted */
    int64_t reserve; /* of them to be left free */
    enum level_state state;
    enum level_reason state_reason; /* of the last change of state */
    enum level_reason gate;         /* what says no right now; LEVEL_REASON_NONE */
    int64_t probes_left;            /* while probing: how many may go in */
    int64_t hold_until_ms;          /* behind a refusal; 0: none yet */
};
