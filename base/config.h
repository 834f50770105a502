/* config.h - configuration from one table: YAML file, environment, flags, --help, all from the same
 * rows.
 *
 * Precedence: flag > environment > file > default. A key "limits.execution" is the YAML map limits:
 * {execution: …}, the variable SPILLWAY_LIMITS_EXECUTION and the flag --limits.execution. Unknown
 * keys and bad values are errors that name the source and, in a file, the line. Values: durations
 * "10s" "500ms" "2m" "1h" (a bare number is refused, but for 0), sizes "64Mi" "1Ki" "10" (bytes),
 * CPU "500m". Ownership: texts in the target struct are owned by `struct config` and live as long
 * as it. */
#pragma once
#include "base/cc.h"
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum config_type {
    CONFIG_TEXT,        /* const char * */
    CONFIG_TEXT_LIST,   /* struct config_list; YAML sequence or comma separated */
    CONFIG_TEXT_MAP,    /* struct config_map; YAML map of texts, or "a=b,c=d" */
    CONFIG_MAP_LIST,    /* struct config_map_list; YAML sequence of maps of texts, as YAML elsewhere
                           too */
    CONFIG_INT,         /* int64_t */
    CONFIG_DURATION_MS, /* int64_t, milliseconds */
    CONFIG_BYTES,       /* int64_t, bytes */
    CONFIG_MILLICPU,    /* int64_t, thousandths of a CPU */
    CONFIG_BOOL         /* bool */
};

struct config_list {
    const char **items;
    size_t count;
};

struct config_map {
    const char **keys;
    const char **values;
    size_t count;
};

struct config_map_list {
    struct config_map *items;
    size_t count;
};

struct config_key {
    const char *name;
    enum config_type type;
    size_t offset;        /* in the program's struct */
    const char *fallback; /* the default, as it would be written */
    int64_t min, max;     /* for numbers; both 0: no range */
    const char *help;
};

struct config;

/* Reads into *target. The file is named by --config or SPILLWAY_CONFIG; without both there is none.
 * --help prints the table and exits 0; --version too; --check-config checks and exits 0 or 1.
 * Returns NULL with err set when anything is wrong. */
struct config *config_read(const char *program, const struct config_key *keys, size_t key_count,
                           int argc, char **argv, void *target, struct err *err) CHECK_RESULT;
/* As config_read(), with a last word on the whole, which --check-config asks too: 0 or a negative
 * code. */
typedef int config_check_f(void *target, struct err *err);
struct config *config_read_checked(const char *program, const struct config_key *keys,
                                   size_t key_count, int argc, char **argv, void *target,
                                   config_check_f *check, struct err *err) CHECK_RESULT;
void config_free(struct config **c);
void config_print_help(const char *program, const struct config_key *keys, size_t count, FILE *out);
void config_print_markdown(const char *program, const struct config_key *keys, size_t count,
                           FILE *out);
const char *config_map_get(const struct config_map *m, const char *key);

/* One value of a type; used by the reader and by others who take the same spellings. 0 or a
 * negative code. */
int config_parse_duration_ms(const char *text, int64_t *out, struct err *err) CHECK_RESULT;
int config_parse_bytes(const char *text, int64_t *out, struct err *err) CHECK_RESULT;
