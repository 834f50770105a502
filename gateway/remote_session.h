/* remote_session.h - a session that runs at another site, as it is seen from here: a copy of its
 * state that is kept fresh by one long-poll as long as somebody asks for it.
 *
 * Ownership: the remote_session belongs to its session (s->remote) and goes when the session leaves
 * the table. */
#pragma once
#include "base/cc.h"
#include <stdbool.h>
#include <stdint.h>

struct gateway;
struct json_t;
struct remote;
struct remote_session;
struct session;
struct tombstone;

/* The session, which is in the table, runs at that site. `claim`: epoch of our pending record,
 * which its own takes the place of; "": none. */
void remote_session_attach(struct gateway *g, struct session *s, struct remote *remote,
                           const char *claim);
/* What that site shows of it, the session object: borrowed. */
void remote_session_see(struct session *s, struct json_t *view);
/* Somebody asks for it: the copy is kept fresh for a while. */
void remote_session_want(struct session *s);
bool remote_session_is_fresh(const struct session *s);
/* Its site did not answer, then or later. */
bool remote_session_has_failed(const struct session *s, int64_t since_ms);
struct remote *remote_session_site(const struct session *s);
/* An execution was handed over: shown at once, until the site says more. */
void remote_session_saw_execution(struct session *s, const char *execution_id, bool running);
/* A client ended it; its site may not know yet. */
void remote_session_close(struct session *s);
/* It is over: `tomb` (taken) is its site's, NULL when that forgot it. The session leaves the table.
 */
void remote_session_end(struct session *s, struct tombstone *tomb);
/* Redis lost its record: it is written again. */
void remote_session_record(struct session *s);
/* From time to time: records that failed are written, what nobody asks for is forgotten (it is
 * found again by its record). */
void remote_session_sweep(struct session *s);
void remote_session_free(struct remote_session **r); /* NULL accepted */
