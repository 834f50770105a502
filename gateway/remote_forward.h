/* remote_forward.h - a client's call for a session at another site, passed on as it is and answered
 * as that site answers: bodies streamed both ways, nothing parsed.
 *
 * All of these end the request. */
#pragma once
#include "gateway/request.h"

struct remote;

/* The call as it came; with r->has_body the body that was collected already. `s` NULL: it ended. */
void remote_forward_start(struct request *r, struct remote *remote, struct session *s);
/* GET of this target instead of what the client asked for. */
void remote_forward_get(struct request *r, struct remote *remote, const char *target);
/* Code for r->s, which is ready at its site. A short body is collected first, so that it can be
 * submitted again when the site says that it began nothing because the session had just ended:
 * then `again` runs, and the request goes on. */
void remote_forward_exec(struct request *r, request_step_f *again);
