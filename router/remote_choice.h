/* remote_choice.h - which of the other sites takes a session that does not stay here? Pure. */
#pragma once
#include "router/decision.h"
#include <stddef.h>

struct remote_choice_site {
    const char *name;
    int64_t priority;               /* the lowest first */
    int64_t weight;                 /* among equals; 0: only when nobody else is left */
    bool reachable;                 /* its breaker lets calls through */
    bool tried;                     /* it has just refused this session */
    int64_t slots;                  /* it said so; -1: not known */
    int64_t sessions, sessions_max; /* of ours there; max 0: no limit */
};

/* The index of a site, or -1 with the reason in *why: NO_SUCH_SITE, REMOTE_DOWN, REMOTE_FULL.
 * `wish`: "auto" and "remote" mean any, else a site's name. `draw` is any random number. */
int remote_choice_make(const struct remote_choice_site *sites, size_t count, const char *wish,
                       uint64_t draw, enum decision_reason *why);
/* What decision_make() wants to know. */
enum decision_elsewhere remote_choice_elsewhere(const struct remote_choice_site *sites,
                                                size_t count);
