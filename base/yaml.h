/* yaml.h - a YAML file as JSON values (the only room that knows libyaml); anchors, tags and
 * documents beyond the first are refused. Plain scalars become null, true/false, integers, numbers,
 * else text. */
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
/* As yaml_read_text(), but a scalar stays the text that was written ("1.10", "0755"); only null is
 * null. For who knows the types better than YAML does: base/config.c. */
struct json_t *yaml_read_scalars(const char *text, size_t len, const char *name,
                                 yaml_line_f *line_of, void *user, struct err *err) CHECK_RESULT;
/* The text of a file of at most YAML_FILE_MAX_BYTES; the caller frees. */
#define YAML_FILE_MAX_BYTES (4 * 1024 * 1024)
char *yaml_load_file(const char *path, size_t *out_len, struct err *err) CHECK_RESULT;
