#include "clusters/embedded/check_causes.h"
#include "base/json.h"
#include "clusters/embedded/names.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CAUSES_MAX 40

void check_causes_add(struct json_t *causes, const char *reason, const char *field, const char *fmt,
                      ...)
{
    char message[400], where[300];
    va_list ap;

    if (json_count(causes) >= CAUSES_MAX)
        return;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    names_make_printable(message);
    snprintf(where, sizeof where, "%s", field);
    names_make_printable(where);
    json_add(causes,
             json_build("{s:s, s:s, s:s}", "reason", reason, "message", message, "field", where));
}

void check_causes_required(struct json_t *causes, const char *field, const char *why)
{
    check_causes_add(causes, "FieldValueRequired", field, "Required value%s%s", *why ? ": " : "",
                     why);
}

void check_causes_forbidden(struct json_t *causes, const char *field, const char *why)
{
    check_causes_add(causes, "FieldValueForbidden", field, "Forbidden: %s", why);
}

void check_causes_invalid(struct json_t *causes, const char *field, const char *value,
                          const char *why)
{
    check_causes_add(causes, "FieldValueInvalid", field, "Invalid value: \"%.100s\": %s", value,
                     why);
}

bool check_causes_is_off(const struct json_t *v)
{
    if (!v || json_is_null(v))
        return true;
    if (json_is_bool(v))
        return !json_true(v);
    if (json_is_string(v))
        return json_text_len(v) == 0;
    if (json_is_object(v) || json_is_array(v))
        return json_count(v) == 0;
    return json_is_integer(v) && json_int(v, 1) == 0;
}

static const char *type_problem(enum field_rule rule, const struct json_t *v)
{
    switch (rule) {
    case FIELD_TEXT:
        return json_is_string(v) && json_text(v) ? NULL : "must be a string";
    case FIELD_BOOL:
        return json_is_bool(v) ? NULL : "must be true or false";
    case FIELD_COUNT:
        return json_is_integer(v) && json_int(v, -1) >= 0 ? NULL : "must be a whole number from 0";
    case FIELD_OBJECT:
        return json_is_object(v) ? NULL : "must be an object";
    case FIELD_LIST:
        return json_is_array(v) ? NULL : "must be an array";
    case FIELD_ANY:
    case FIELD_OFF:
        break;
    }
    return NULL;
}

static void check_field(struct json_t *causes, const char *field, const struct field_row *row,
                        const struct json_t *v)
{
    const char *problem = NULL;

    if (!row) {
        check_causes_forbidden(causes, field, "this node does not know the field");
        return;
    }
    if (row->rule == FIELD_OFF && !check_causes_is_off(v))
        check_causes_forbidden(causes, field, "this node does not have it");
    if (json_is_null(v))
        return;
    problem = type_problem(row->rule, v);
    if (problem)
        check_causes_add(causes, "FieldValueTypeInvalid", field, "Invalid value: %s", problem);
}

bool check_causes_fields(struct json_t *causes, const struct json_t *object, const char *path,
                         const struct field_row *rows, unsigned count)
{
    const char *key = NULL;
    struct json_t *value = NULL;
    void *it = NULL;

    if (!object || !json_is_object(object)) {
        check_causes_add(causes, "FieldValueTypeInvalid", path, "Invalid value: must be an object");
        return false;
    }
    while ((it = json_next(object, it, &key, &value))) {
        const struct field_row *row = NULL;
        char field[300];

        for (unsigned i = 0; i < count && !row; i++)
            if (strcmp(rows[i].name, key) == 0)
                row = &rows[i];
        snprintf(field, sizeof field, "%s.%.60s", path, key);
        check_field(causes, field, row, value);
    }
    return true;
}
