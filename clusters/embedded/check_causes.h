/* check_causes.h - the causes of a 422, as Kubernetes names them; shared by the files that check.
 * Pure. */
#pragma once
#include "base/cc.h"
#include <stdbool.h>
#include <stdint.h>

struct json_t;

/* What a known field may hold. */
enum field_rule {
    FIELD_ANY, /* checked elsewhere, or of no effect here */
    FIELD_OFF, /* known, but this node has it only switched off: absent, null, false, 0, "" or empty
                */
    FIELD_TEXT,
    FIELD_BOOL,
    FIELD_COUNT, /* a whole number from 0 */
    FIELD_OBJECT,
    FIELD_LIST
};

struct field_row {
    const char *name;
    enum field_rule rule;
};

void check_causes_add(struct json_t *causes, const char *reason, const char *field, const char *fmt,
                      ...) PRINTF_LIKE(4, 5);
void check_causes_required(struct json_t *causes, const char *field, const char *why);
void check_causes_forbidden(struct json_t *causes, const char *field, const char *why);
void check_causes_invalid(struct json_t *causes, const char *field, const char *value,
                          const char *why);
/* Every member of `object` against the rows; unknown ones are causes. False when it is no object.
 */
bool check_causes_fields(struct json_t *causes, const struct json_t *object, const char *path,
                         const struct field_row *rows, unsigned count);
bool check_causes_is_off(const struct json_t *value);
