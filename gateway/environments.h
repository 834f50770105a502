/* environments.h - what a session can start from: image, languages, resources, by name. Read once
 * from a YAML file. */
#pragma once
#include "base/err.h"
#include "base/slice.h"
#include <stdint.h>

struct environments;
struct json_t;

#define ENVIRONMENT_LANGUAGES_MAX 32
#define ENVIRONMENT_ALIASES_MAX   16
#define ENVIRONMENT_LANGUAGE_SIZE 33

struct environment {
    char name[64];
    char image[256];
    char description[256];
    char aliases[ENVIRONMENT_ALIASES_MAX][64];
    int alias_count;
    char languages[ENVIRONMENT_LANGUAGES_MAX][ENVIRONMENT_LANGUAGE_SIZE];
    int language_count;
    int64_t millicpu;
    int64_t memory_bytes;
    int64_t disk_bytes;
    int64_t pids;
    struct json_t *packages; /* packages.h; NULL: none */
};

struct environments *environments_read(const char *path, struct err *err) CHECK_RESULT;
struct environments *environments_parse(const struct json_t *file, struct err *err) CHECK_RESULT;
void environments_free(struct environments **e);
/* By name, else by alias. */
const struct environment *environments_get(const struct environments *e, const char *name);
size_t environments_count(const struct environments *e);
const struct environment *environments_at(const struct environments *e, size_t i);
/* The name of the one to run `language` in where none was asked for: `usual`, or the first one that
 * has it. */
const char *environments_name_for(const struct environments *e, const char *usual,
                                  struct slice language);
/* A language by one of its other names; `name` itself where it is none of them. */
const char *environments_language(const struct environments *e, const char *name);
bool environment_has_language(const struct environment *e, struct slice language);
