/* decision.h - where should a new session run? A pure function with a reason for every answer. */
#pragma once
#include "watermark/snapshot.h"
#include <stdbool.h>
#include <stdint.h>

enum decision_kind {
    DECISION_LOCAL,
    DECISION_FULL,
    DECISION_UNKNOWN /* the cluster cannot be seen: try again */
};

enum decision_reason {
#define X(name, wire, text) DECISION_REASON_##name,
#include "router/decision_reason.def"
#undef X
    DECISION_REASON_COUNT
};

/* What other sites there are. The watermark says when to use them; without any it only counts what
 * cannot work at all (no slot, a refusal). */
enum decision_elsewhere {
    DECISION_ELSEWHERE_NONE, /* none is configured */
    DECISION_ELSEWHERE_DOWN, /* none can take anything now: what is above the high mark stays so */
    DECISION_ELSEWHERE_OPEN
};

struct decision_input {
    const struct snapshot *local; /* for the session's shape */
    int64_t now_ms;
    const char *wish; /* "auto", "local", "remote" or a site's name */
    const char *site; /* the local site's name */
    enum decision_elsewhere elsewhere;
};

struct decision {
    enum decision_kind kind;
    enum decision_reason reason;
    int64_t slots; /* free before this placement */
};

void decision_make(const struct decision_input *in, struct decision *out);
const char *decision_reason_name(enum decision_reason r); /* "local_room" */
const char *decision_reason_text(enum decision_reason r);
