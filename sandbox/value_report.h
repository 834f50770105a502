/* value_report.h - what a language's runner says on descriptor 3: the last expression's value, or
 * the uncaught error. Pure.
 *
 * Records: one letter, a decimal length, a line feed, the bytes. R value · C value was cut (empty)
 * · N error's name · V its text · B traceback ·
 * D a display (its mime type, a line feed, its data; base64 where that is binary) · O a display was
 * too large (empty). User code can write there too: what does not fit is
 * ignored, and nothing here decides how a run ended. */
#pragma once
#include "base/buf.h"

#define VALUE_REPORT_TEXT_MAX     ((size_t)256 * 1024)
#define VALUE_REPORT_DISPLAYS_MAX ((size_t)4 * 1024 * 1024) /* as JSON */
#define VALUE_REPORT_BYTES_MAX    (VALUE_REPORT_DISPLAYS_MAX + (size_t)704 * 1024)

struct json_t;

struct value_report {
    struct slice value; /* at NULL: none; borrowed from the parsed bytes */
    bool cut;
    struct slice error_name, error_value, traceback;
};

void value_report_parse(struct value_report *r, struct slice bytes);
/* Adds {mime, data} for each display that fits; false when one was left out. */
bool value_report_add_displays(struct slice bytes, struct json_t *array);
/* A JSON text, or null where `text.at` is NULL; made UTF-8 and cut at VALUE_REPORT_TEXT_MAX. Gives.
 */
struct json_t *value_report_text(struct slice text);
