/* tender.h - looks after one living session: starts its agent, knows what runs, copies results, and
 * sees when it is over.
 *
 *   WAITING (for the pod) → STARTING (the first calls are the probe) → TENDING (one long-poll after
 * the other)
 *
 * A session has at most one tender in a gateway and, but for moments, one among all gateways: the
 * agent tells an older one the name of the newer, and the older goes. Any gateway may become the
 * tender at any time. Ownership: the tender belongs to its session (s->tender). */
#pragma once
#include "base/cc.h"
#include "base/fsm.h"

struct gateway;
struct session;
struct tender;

extern const struct fsm_table TENDER_FSM;

/* Does nothing where there is one already, or an ending. */
void tender_start(struct gateway *g, struct session *s);
/* The session's pod, or its deadline, has changed. */
void tender_poke(struct tender *t);
/* The agent did not hear of a moved deadline: it is told until it does. */
void tender_mend_deadline(struct tender *t);
void tender_free(struct tender **t); /* NULL accepted */
const char *tender_state(const struct tender *t);
