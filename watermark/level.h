/* level.h - is the local site open? High and low marks with hysteresis, as a machine that is told
 * everything, the time too; pure.
 *
 *   OPEN     everything is let in; one gate that says no closes at once
 *   CLOSED   nothing is let in; ends when everything is below the low mark, the dwell (or the hold
 *            behind a refusal) is over and two newer measurements agree
 *   PROBING  1, 2, 4 … are let in at a time; opens when they were bound, closes on one refusal
 *
 * Plain data: embedded where it is needed, set up by level_init(). */
#pragma once
#include "base/cc.h"
#include "base/fsm.h"

#define LEVEL_STATES(X)                                                                            \
    X(LEVEL, OPEN, FSM_TO(LEVEL_CLOSED))                                                           \
    X(LEVEL, CLOSED, FSM_TO(LEVEL_PROBING))                                                        \
    X(LEVEL, PROBING, FSM_TO(LEVEL_OPEN) | FSM_TO(LEVEL_CLOSED))

enum level_state { LEVEL_STATES(FSM_ENUM) LEVEL_STATE_COUNT };

enum level_reason {
#define X(name, word, text) LEVEL_REASON_##name,
#include "watermark/level_reason.def"
#undef X
    LEVEL_REASON_COUNT
};

struct level_conf {
    int64_t cpu_high, cpu_low;       /* percent of allocatable */
    int64_t memory_high, memory_low; /* percent of allocatable */
    int64_t reserve;                 /* slots that stay free */
    int64_t dwell_ms;                /* least time between CLOSED and PROBING */
};

/* How full it is now. */
struct level_input {
    int64_t now_ms;
    int64_t slots;        /* of the usual shape, without what is on its way */
    bool usage_wanted;    /* measurements are asked for … */
    bool usage_known;     /* … and there are enough that are fresh */
    int64_t cpu_permille; /* used of allocatable; only when known */
    int64_t memory_permille;
    uint64_t usage_stamp; /* grows with each newer measurement */
};

struct level {
    struct fsm fsm;
    struct level_conf conf;
    enum level_reason reason; /* of the last transition */
    enum level_reason gate;   /* what says no right now; LEVEL_REASON_NONE */
    int64_t since_ms;
    bool unknown;          /* measurements are wanted and missing: the reserve counts twice */
    int64_t reopen_ms;     /* CLOSED: not before */
    int64_t hold_until_ms; /* behind a refusal; 0: none yet */
    int64_t hold_ms;       /* how long the next hold will be */
    uint64_t stamp;        /* of the last measurement that counted */
    int low_stamps;        /* CLOSED: measurements below the low mark in a row */
    int64_t probe_limit;   /* PROBING: this many at a time … */
    int64_t probes_out;    /* … are let in and not bound yet … */
    int64_t probes_bound;  /* … are bound since the limit last grew */
    uint64_t transitions[LEVEL_REASON_COUNT];
};

extern const struct fsm_table LEVEL_FSM;

void level_init(struct level *l, const struct level_conf *conf, int64_t now_ms);
/* All of these: true when the state has changed. */
bool level_update(struct level *l, const struct level_input *in);
/* Unschedulable, quota, admission. A bundle of refusals within one hold counts once. */
bool level_refused(struct level *l, int64_t now_ms);
/* A sandbox of ours was bound to a node: the holds start small again, and a probe came through. */
bool level_bound(struct level *l, bool probe, int64_t now_ms);
/* One was let in; true when it is a probe, to be reported to level_bound() or level_lost(). */
bool level_admit(struct level *l);
/* A probe came to nothing for reasons that say nothing of the cluster's room. */
void level_lost(struct level *l);

enum level_state level_state(const struct level *l);
int64_t level_reserve(const struct level *l); /* slots that must stay free now */
int64_t level_probes_left(const struct level *l);
const char *level_state_word(enum level_state s); /* "open", "closed", "probing" */
const char *level_reason_word(enum level_reason r);
const char *level_reason_text(enum level_reason r);
