/* deadline_check.h - the end by the hard deadline, once the pod itself has said that it has come: a
 * watch that lags does not know yet that the session was extended. */
#pragma once

struct gateway;
struct session;

/* Asks for the pod; a deadline that stands then ends the session. One question at a time. When the
 * API server does not answer nothing happens: ask again; the agent has a timer of its own. */
void deadline_check_start(struct gateway *g, struct session *s);
void deadline_check_cancel(struct session *s);
