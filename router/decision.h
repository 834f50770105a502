/* decision.h - where should a new session run? A pure function with a reason for every answer. */
#pragma once
#include "watermark/slots.h"
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

struct decision_input {
    const struct snapshot *local;
    struct kube_resources shape;
    int64_t reserved; /* own placements not yet seen */
    int64_t now_ms;
    const char *wish; /* "auto", "local", "remote" or a site's name */
    const char *site; /* the local site's name */
};

struct decision {
    enum decision_kind kind;
    enum decision_reason reason;
    int64_t slots; /* free before this placement */
};

void decision_make(const struct decision_input *in, struct decision *out);
const char *decision_reason_name(enum decision_reason r); /* "local_room" */
const char *decision_reason_text(enum decision_reason r);
