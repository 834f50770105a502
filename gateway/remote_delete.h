/* remote_delete.h - ends sessions at other sites, now or, where a site does not answer, again and
 * again until it has heard (the queue is in Redis; in memory while Redis is down). In any case a
 * site ends its sessions by itself at their deadline. */
#pragma once
#include "gateway/request.h"

struct remote;
struct remote_deletes;

struct remote_deletes *remote_deletes_new(struct gateway *g) CHECK_RESULT;
void remote_deletes_free(struct remote_deletes **d);
/* DELETE of a session at another site, r->s: ends the request. */
void remote_delete_session(struct request *r, struct session *s);
/* The same when the site does not answer and the session is not in memory: by its route record. */
void remote_delete_unlocated(struct request *r, const struct err *why);
/* That incarnation, of which it is not known whether it was made or will be, is deleted in
 * `after_ms`; unless it was taken into use before, by whichever gateway: its route record says so.
 */
void remote_delete_doubtful(struct gateway *g, struct remote *remote, const char *id,
                            const char *epoch, int64_t after_ms);
