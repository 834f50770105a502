/* yaml.h - a YAML file as JSON values (the only room that knows libyaml); anchors, tags and documents beyond the first are refused.
 * Plain scalars become null, true/false, integers, numbers, else text. */
#pragma once
#include "base/cc.h"
#include "base/err.h"

struct json_t;

/* Gives a json value; errors name file and line. */
struct json_t *yaml_read_file(const char *path, struct err *err) CHECK_RESULT;
/* `line_of`, if not NULL, is called with each "a.b.c" path of a mapping key and its line. */
typedef void yaml_line_f(const char *path, int line, void *user);
struct json_t *yaml_read_text(const char *text, size_t len, const char *name, yaml_line_f *line_of,
                              void *user, struct err *err) CHECK_RESULT;
