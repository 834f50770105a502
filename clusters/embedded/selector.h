/* selector.h - label selectors and field selectors of list and watch. Pure.
 *
 * Labels: a=b a==b a!=b, `a in (b,c)`, `a notin (b,c)`, a, !a; joined by commas. Fields: a=b a==b
 * a!=b, on the fields of the table in selector.c. At most SELECTOR_TERMS_MAX requirements.
 * Ownership: selector_parse_*() give a selector; selector_free() drops it. NULL selects all.
 * Errors:    ERR_INVALID_ARGUMENT, with what was not understood. */
#pragma once
#include "base/cc.h"
#include "base/err.h"
#include <stdbool.h>

#define SELECTOR_TERMS_MAX 32

struct selector;
struct json_t;

/* An empty text gives *out NULL. 0 or a negative code. */
int selector_parse_labels(const char *text, struct selector **out, struct err *err) CHECK_RESULT;
/* events: with the fields that only events have. */
int selector_parse_fields(const char *text, bool events, struct selector **out,
                          struct err *err) CHECK_RESULT;
void selector_free(struct selector **s);
bool selector_matches(const struct selector *s, const struct json_t *object);
