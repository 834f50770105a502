/* store_damage.h - something in Redis that is not what we write: it is never taken for absent where
 * code could run twice for it, and somebody must hear of it. */
#pragma once
#include "base/err.h"

struct gateway;

/* Counts and logs it. `what`: "tombstone", "record", "route". */
void store_damage_note(struct gateway *g, const char *what, const char *session_id);
/* The same, with what the client is told. */
void store_damage_err(struct gateway *g, const char *what, const char *session_id, struct err *err);
