/* lost_records.h - remembers of executions whose sandbox went before their end could be seen that
 * they are lost, as a record like any other: so that whoever asks, or submits the same id to a
 * later session of that name, is told so rather than run again. */
#pragma once

struct gateway;
struct session;
struct tombstone;

/* For each execution that the tombstone calls lost and the store has no record of. Goes on by
 * itself; when the store is down nothing is kept, as with everything across incarnations. */
void lost_records_store(struct gateway *g, const struct tombstone *t);
/* For each execution of a session without a pod that this gateway knew to run. */
void lost_records_of_session(struct gateway *g, const struct session *s);
