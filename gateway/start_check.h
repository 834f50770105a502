/* start_check.h - the end of a session whose pod did not come up, or its move elsewhere, once the
 * pod itself has said so: a watch that lags does not know that it did come up, and that another
 * gateway may have started its agent since. */
#pragma once
#include "router/decision.h"

struct gateway;
struct session;

/* Asks for the pod; what is as bad as it seemed (`why`: UNSCHEDULABLE or START_FAILED) is moved, or
 * ended. One question at a time. When the API server does not answer nothing happens: ask again. */
void start_check_start(struct gateway *g, struct session *s, enum decision_reason why);
void start_check_cancel(struct session *s);
