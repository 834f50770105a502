/* fsm.h - state machines as tables: names, allowed next states, one check at every move.
 *
 * A machine's states are one X-macro; from it come the enum, the names and the edges:
 *
 *   #define SESSION_STATES(X)  X(SESSION, PENDING, FSM_TO(SESSION_CREATING) |
 * FSM_TO(SESSION_ERROR)) …
 *
 * A move that the table does not allow is a broken invariant: the program prints the machine and
 * aborts. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define FSM_TO(state)               ((uint32_t)1 << (state))
#define FSM_ENUM(prefix, name, to)  prefix##_##name,
#define FSM_STATE(prefix, name, to) {#name, (to)},

struct fsm_state {
    const char *name;
    uint32_t to; /* bit mask of allowed next states; 0: final */
};

struct fsm_table {
    const char *machine;
    const struct fsm_state *states;
    int count;
};

#define FSM_HISTORY_MAX 16
struct world;

/* The last moves, for those who look at a machine later. */
struct fsm_history {
    struct world *world; /* whose clock tells when */
    uint32_t moves;      /* ever; the last FSM_HISTORY_MAX of them are kept */
    struct fsm_step {
        int64_t wall_ms : 48; /* until the year 6429 */
        uint64_t from : 8, to : 8;
    } steps[FSM_HISTORY_MAX];
};

struct fsm {
    const struct fsm_table *table;
    int state;
    struct fsm_history *history; /* NULL-able; the owner's */
};

/* The i-th of those that are kept, the oldest first; NULL: there is none. */
const struct fsm_step *fsm_history_step(const struct fsm_history *h, unsigned i);
void fsm_init(struct fsm *m, const struct fsm_table *table, int first);
bool fsm_may_move(const struct fsm *m, int to);
void fsm_move(struct fsm *m,
              int to); /* asserts the edge; moving to the present state does nothing */
const char *fsm_state_name(const struct fsm *m);
/* Graphviz text of the table; the caller frees. Used by the documentation. */
char *fsm_table_dot(const struct fsm_table *table);
