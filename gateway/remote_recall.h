/* remote_recall.h - an execution id that may name an execution of the session's earlier life at
 * another site: then it is that execution, never a second run. */
#pragma once
#include "gateway/request.h"

/* Asks that site, and answers with what it knows of r->execution_id, which must have had the body
 * of r->fingerprint; if it knows nothing `step` runs. */
void remote_recall_from(struct request *r, const char *site, request_step_f *step);
/* The same with the site of the session's last life elsewhere, if it had one. Where the session
 * lives there anew, and that site cannot tell before it has heard the sandbox, `again` runs after a
 * while, until r->until_ms. */
void remote_recall_start(struct request *r, request_step_f *step, request_step_f *again);
/* Nothing here knows r->execution_id, which the request is about: it is passed on to that site, if
 * there is one; else `step` runs. */
void remote_recall_pass(struct request *r, request_step_f *step);
