/* remote_placement.h - hands a session to another site: choose, claim, create there, commit.
 *
 *   (pod goes) → CLAIM in Redis (when Redis is down: go on) → CREATE at the site, the same epoch as
 *   often as it takes → the record becomes active
 *
 * A site that is full, or was not reached, is followed by the next one, with a new epoch. Where it
 * is not known whether a site took it, that site is asked; where it does not tell, the session
 * fails and that incarnation is deleted there later. The session is in the table all the while;
 * s->handover tells that it is on its way. It leaves PENDING or CREATING for what its site says, or
 * for ERROR with s->failure. */
#pragma once
#include "base/err.h"
#include "router/decision.h"

struct gateway;
struct session;
struct remote_placement;

/* A new session, PENDING, in the table. `adopt_any` as in placement.h. */
void remote_placement_start(struct gateway *g, struct session *s, enum decision_reason reason,
                            bool adopt_any);
/* A session that was placed here and whose pod will not come up: false when it cannot be moved. No
 * code can have been submitted to it. */
bool remote_placement_move(struct gateway *g, struct session *s, enum decision_reason reason);
/* Another gateway made it a moment ago, and may be about to move it: nobody else ends it yet. */
bool remote_placement_may_come(const struct gateway *g, const struct session *s);
/* The pod of s->handover's session has changed. */
void remote_placement_poke(struct remote_placement *p);
/* Program end. */
void remote_placement_free(struct remote_placement **p);
