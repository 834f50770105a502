/* packages.h - the packages that a session installs before it is ready, as
 * {"requirements": [text…], "npm": [text…]}. Pure.
 *
 * Names with versions and nothing else: no option, path or address (docs/dependencies.md).
 * Ownership: what is given out is the caller's. */
#pragma once
#include "base/err.h"

struct json_t;

#define PACKAGES_MAX      64 /* of a kind */
#define PACKAGES_NAME_MAX 200

/* Members "requirements" and "npm" of an object, either of which may be missing; *out is NULL where
 * there are none. ERR_INVALID_ARGUMENT, ERR_LIMIT_EXCEEDED. */
int packages_read(const struct json_t *from, struct json_t **out, struct err *err) CHECK_RESULT;
/* Those of `first` and then what `second` has besides; either may be NULL. ERR_LIMIT_EXCEEDED. */
int packages_join(const struct json_t *first, const struct json_t *second, struct json_t **out,
                  struct err *err) CHECK_RESULT;
/* Sets the members that there are; NULL sets none. */
void packages_put(const struct json_t *packages, struct json_t *into);
