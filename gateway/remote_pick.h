/* remote_pick.h - which other site may take a session, by what was heard of them last. */
#pragma once
#include "base/err.h"
#include "router/decision.h"
#include <stdbool.h>

struct gateway;

/* Is there a site that may take one with this wish? Else err says why not. */
bool remote_pick_possible(struct gateway *g, const char *wish, struct err *err);
/* Its place among the gateway's remotes; < 0 with the reason. `tried`: by place, those that are
 * passed over; NULL: none. */
int remote_pick_next(struct gateway *g, const char *wish, const bool *tried,
                     enum decision_reason *why);
/* For people: the site that would be tried first; NULL with the reason. */
const char *remote_pick_name(struct gateway *g, const char *wish, enum decision_reason *why);
enum decision_elsewhere remote_pick_elsewhere(struct gateway *g);
