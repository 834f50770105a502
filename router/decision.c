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

static bool wishes_local(const struct decision_input *in)
{
    return !in->wish || strcmp(in->wish, "auto") == 0 || strcmp(in->wish, "local") == 0 ||
           strcmp(in->wish, in->site) == 0;
}

static void answer(struct decision *out, enum decision_kind kind, enum decision_reason reason)
{
    out->kind = kind;
    out->reason = reason;
}

void decision_make(const struct decision_input *in, struct decision *out)
{
    const struct snapshot *s = in->local;

    out->slots = 0;
    if (!wishes_local(in)) {
        answer(out, DECISION_FULL, DECISION_REASON_NO_SUCH_SITE);
        return;
    }
    if (!s || !s->known) {
        answer(out, DECISION_UNKNOWN, DECISION_REASON_LOCAL_UNKNOWN);
        return;
    }
    out->slots = slots_free(s, &in->shape, in->reserved);
    if (in->now_ms < s->hold_until_ms)
        answer(out, DECISION_FULL, DECISION_REASON_LOCAL_HOLD);
    else if (out->slots < 1)
        answer(out, DECISION_FULL, DECISION_REASON_LOCAL_FULL);
    else
        answer(out, DECISION_LOCAL, DECISION_REASON_LOCAL_ROOM);
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
