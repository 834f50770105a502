/* remote_recall.h - an execution id that may name an execution of the session's earlier life at
 * another site: then it is that execution, never a second run. */
#pragma once
#include "gateway/request.h"

/* That site has r->execution_id: answers with its result. */
void remote_recall_reply(struct request *r, const char *site);
/* Asks the site of the session's last life elsewhere, if it had one, and answers with what that
 * knows of r->execution_id; else `step` runs. */
void remote_recall_start(struct request *r, request_step_f *step);
