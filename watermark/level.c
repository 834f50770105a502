#include "watermark/level.h"

#define HOLD_FIRST_MS  5000
#define HOLD_MAX_MS    60000
#define LOW_STAMPS     2 /* one measurement may be a lucky moment */
#define PROBES_MAX     4 /* once so many at a time were bound, it is open */
#define PERMILLE_OF(p) ((p)*10)

static const struct fsm_state STATE_ROWS[] = {LEVEL_STATES(FSM_STATE)};
const struct fsm_table LEVEL_FSM = {"level", STATE_ROWS, LEVEL_STATE_COUNT};

static const struct {
    const char *word, *text;
} REASONS[] = {
#define X(name, word, text) {word, text},
#include "watermark/level_reason.def"
#undef X
};

void level_init(struct level *l, const struct level_conf *conf, int64_t now_ms)
{
    *l = (struct level){.conf = *conf, .since_ms = now_ms, .hold_ms = HOLD_FIRST_MS};
    fsm_init(&l->fsm, &LEVEL_FSM, LEVEL_OPEN);
}

enum level_state level_state(const struct level *l)
{
    return (enum level_state)l->fsm.state;
}

int64_t level_reserve(const struct level *l)
{
    return l->unknown ? l->conf.reserve * 2 : l->conf.reserve;
}

static void go(struct level *l, enum level_state to, enum level_reason reason, int64_t now_ms)
{
    fsm_move(&l->fsm, (int)to);
    l->reason = reason;
    l->since_ms = now_ms;
    l->transitions[reason]++;
    l->low_stamps = 0;
    l->probe_limit = 1;
    l->probes_out = 0;
    l->probes_bound = 0;
}

/* -- the gates -- */

static enum level_reason gate_of(const struct level *l, const struct level_input *in)
{
    if (in->now_ms < l->hold_until_ms)
        return LEVEL_REASON_REFUSED;
    if (in->slots <= level_reserve(l))
        return LEVEL_REASON_SLOTS;
    if (!in->usage_wanted || !in->usage_known)
        return LEVEL_REASON_NONE;
    if (in->cpu_permille >= PERMILLE_OF(l->conf.cpu_high))
        return LEVEL_REASON_CPU;
    if (in->memory_permille >= PERMILLE_OF(l->conf.memory_high))
        return LEVEL_REASON_MEMORY;
    return LEVEL_REASON_NONE;
}

static bool is_low(const struct level *l, const struct level_input *in)
{
    if (l->gate != LEVEL_REASON_NONE || in->slots <= 2 * level_reserve(l))
        return false;
    return !in->usage_wanted || !in->usage_known ||
           (in->cpu_permille <= PERMILLE_OF(l->conf.cpu_low) &&
            in->memory_permille <= PERMILLE_OF(l->conf.memory_low));
}

/* -- the states -- */

static bool close_for(struct level *l, enum level_reason reason, int64_t now_ms, int64_t for_ms)
{
    go(l, LEVEL_CLOSED, reason, now_ms);
    l->reopen_ms = now_ms + for_ms;
    return true;
}

static void count_low(struct level *l, const struct level_input *in)
{
    if (!is_low(l, in))
        l->low_stamps = 0;
    else if (in->usage_known && in->usage_stamp > l->stamp && l->low_stamps < LOW_STAMPS)
        l->low_stamps++;
    l->stamp = in->usage_stamp;
}

static bool update_closed(struct level *l, const struct level_input *in)
{
    bool measured = in->usage_wanted && in->usage_known;

    count_low(l, in);
    if (in->now_ms < l->reopen_ms || !is_low(l, in) || (measured && l->low_stamps < LOW_STAMPS))
        return false;
    go(l, LEVEL_PROBING, LEVEL_REASON_ROOM, in->now_ms);
    return true;
}

static bool update_open(struct level *l, const struct level_input *in)
{
    l->stamp = in->usage_stamp;
    if (l->gate != LEVEL_REASON_NONE)
        return close_for(l, l->gate, in->now_ms, l->conf.dwell_ms);
    if (level_state(l) != LEVEL_PROBING || in->now_ms - l->since_ms < l->conf.dwell_ms ||
        l->probes_out > 0)
        return false;
    go(l, LEVEL_OPEN, LEVEL_REASON_QUIET, in->now_ms);
    return true;
}

bool level_update(struct level *l, const struct level_input *in)
{
    l->unknown = in->usage_wanted && !in->usage_known;
    l->gate = gate_of(l, in);
    return level_state(l) == LEVEL_CLOSED ? update_closed(l, in) : update_open(l, in);
}

/* -- what happens -- */

bool level_refused(struct level *l, int64_t now_ms)
{
    int64_t hold_ms = l->hold_ms;

    if (now_ms < l->hold_until_ms)
        return false;
    l->hold_until_ms = now_ms + hold_ms;
    l->hold_ms = hold_ms * 2 < HOLD_MAX_MS ? hold_ms * 2 : HOLD_MAX_MS;
    l->gate = LEVEL_REASON_REFUSED;
    if (level_state(l) != LEVEL_CLOSED)
        return close_for(l, LEVEL_REASON_REFUSED, now_ms, hold_ms);
    l->low_stamps = 0;
    if (l->reopen_ms < l->hold_until_ms)
        l->reopen_ms = l->hold_until_ms;
    return false;
}

bool level_admit(struct level *l)
{
    if (level_state(l) != LEVEL_PROBING)
        return false;
    l->probes_out++;
    return true;
}

static void take_back(struct level *l)
{
    if (l->probes_out > 0)
        l->probes_out--;
}

void level_lost(struct level *l)
{
    if (level_state(l) == LEVEL_PROBING)
        take_back(l);
}

bool level_bound(struct level *l, bool probe, int64_t now_ms)
{
    l->hold_ms = HOLD_FIRST_MS;
    if (!probe || level_state(l) != LEVEL_PROBING)
        return false;
    take_back(l);
    if (++l->probes_bound < l->probe_limit)
        return false;
    l->probes_bound = 0;
    l->probe_limit *= 2;
    if (l->probe_limit <= PROBES_MAX)
        return false;
    go(l, LEVEL_OPEN, LEVEL_REASON_PROBED, now_ms);
    return true;
}

/* -- words -- */

int64_t level_probes_left(const struct level *l)
{
    int64_t left = l->probe_limit - l->probes_out - l->probes_bound;

    return level_state(l) == LEVEL_PROBING && left > 0 ? left : 0;
}

const char *level_state_word(enum level_state s)
{
    static const char *const WORDS[] = {"open", "closed", "probing"};

    INVARIANT(s >= 0 && s < LEVEL_STATE_COUNT);
    return WORDS[s];
}

const char *level_reason_word(enum level_reason r)
{
    INVARIANT(r >= 0 && r < LEVEL_REASON_COUNT);
    return REASONS[r].word;
}

const char *level_reason_text(enum level_reason r)
{
    INVARIANT(r >= 0 && r < LEVEL_REASON_COUNT);
    return REASONS[r].text;
}
