#include "router/decision.h"
#include <string.h>

struct reason {
    const char *name;
    const char *text;
};

static const struct reason REASONS[] = {
#define X(name, wire, text) {wire, text},
#include "router/decision_reason.def"
#undef X
};

static bool insists_on_local(const struct decision_input *in)
{
    return in->wish && (strcmp(in->wish, "local") == 0 || strcmp(in->wish, in->site) == 0);
}

static bool wishes_local(const struct decision_input *in)
{
    return !in->wish || strcmp(in->wish, "auto") == 0 || insists_on_local(in);
}

static void answer(struct decision *out, enum decision_kind kind, enum decision_reason reason)
{
    out->kind = kind;
    out->reason = reason;
}

/* What stands against local whoever else there is; LOCAL_ROOM: nothing. */
static enum decision_reason hard_gate(const struct decision_input *in)
{
    const struct snapshot *s = in->local;

    if (in->now_ms < s->hold_until_ms)
        return DECISION_REASON_LOCAL_HOLD;
    return s->slots <= s->reserve ? DECISION_REASON_LOCAL_FULL : DECISION_REASON_LOCAL_ROOM;
}

static enum decision_reason usage_gate(const struct snapshot *s)
{
    if (s->gate == LEVEL_REASON_CPU)
        return DECISION_REASON_LOCAL_CPU;
    return s->gate == LEVEL_REASON_MEMORY ? DECISION_REASON_LOCAL_MEMORY
                                          : DECISION_REASON_LOCAL_ROOM;
}

/* The slow way back: only for those who can go elsewhere meanwhile. */
static enum decision_reason hysteresis(const struct decision_input *in)
{
    const struct snapshot *s = in->local;
    bool free_to_go = in->elsewhere == DECISION_ELSEWHERE_OPEN && !insists_on_local(in);

    if (s->state == LEVEL_OPEN)
        return DECISION_REASON_LOCAL_ROOM;
    if (s->state == LEVEL_PROBING && s->probes_left > 0)
        return DECISION_REASON_LOCAL_PROBE;
    if (!free_to_go)
        return DECISION_REASON_LOCAL_ALONE;
    return s->state == LEVEL_PROBING ? DECISION_REASON_LOCAL_PROBING : DECISION_REASON_LOCAL_CLOSED;
}

static enum decision_reason judge_local(const struct decision_input *in)
{
    enum decision_reason reason = hard_gate(in);

    if (reason == DECISION_REASON_LOCAL_ROOM && in->elsewhere != DECISION_ELSEWHERE_NONE)
        reason = usage_gate(in->local);
    return reason == DECISION_REASON_LOCAL_ROOM ? hysteresis(in) : reason;
}

static bool is_local(enum decision_reason r)
{
    return r == DECISION_REASON_LOCAL_ROOM || r == DECISION_REASON_LOCAL_PROBE ||
           r == DECISION_REASON_LOCAL_ALONE;
}

void decision_make(const struct decision_input *in, struct decision *out)
{
    out->slots = in->local ? in->local->slots : 0;
    if (!wishes_local(in)) {
        answer(out, DECISION_FULL, DECISION_REASON_NO_SUCH_SITE);
        return;
    }
    if (!in->local || !in->local->known) {
        answer(out, DECISION_UNKNOWN, DECISION_REASON_LOCAL_UNKNOWN);
        return;
    }
    enum decision_reason reason = judge_local(in);
    answer(out, is_local(reason) ? DECISION_LOCAL : DECISION_FULL, reason);
}

const char *decision_reason_name(enum decision_reason r)
{
    INVARIANT(r >= 0 && r < DECISION_REASON_COUNT);
    return REASONS[r].name;
}

const char *decision_reason_text(enum decision_reason r)
{
    INVARIANT(r >= 0 && r < DECISION_REASON_COUNT);
    return REASONS[r].text;
}
