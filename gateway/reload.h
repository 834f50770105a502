/* reload.h - the configuration read again on SIGHUP: what can change in a running gateway does, and
 * what cannot is named in the log.
 *
 * A configuration with a fault changes nothing. Ownership: gives; the arguments are borrowed. Loop:
 * reads small files on the loop. */
#pragma once
#include "base/cc.h"
#include <stddef.h>

struct gateway;
struct reload;

struct reload *reload_new(struct gateway *g, int argc, char **argv) CHECK_RESULT;
void reload_free(struct reload **r);
/* Reads and applies; also what SIGHUP does. */
void reload_now(struct reload *r);

/* The keys that are taken over, for the documentation. The file of auth.keys_file is read again
 * whether its name changed or not. */
extern const char *const RELOAD_KEYS[];
extern const size_t RELOAD_KEY_COUNT;
