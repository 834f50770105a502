/* record_closer.h - closes the route records of sessions that ended at another site while nobody
 * here saw it: the gateway that had it died, or Redis did not take the end.
 *
 * Every record that is not closed yet is put into a queue of its site; now and then one gateway
 * takes what is due, and asks the site whether the session lives. */
#pragma once
#include "base/cc.h"

struct gateway;
struct record_closer;
struct route_record;

struct record_closer *record_closer_new(struct gateway *g) CHECK_RESULT;
void record_closer_free(struct record_closer **c); /* NULL accepted */

/* That session has ended: its record says so as soon as Redis takes it. Until then nobody but this
 * gateway, or its site when that is asked, knows that there was a life of that id. */
void record_closer_end(struct gateway *g, const char *id, const struct route_record *record);
/* Such a record is about to be written. */
void record_closer_watch(struct gateway *g, const char *remote, const char *id, const char *epoch);
