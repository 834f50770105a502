/* config_value.h - one value of each type of a configuration, from its text (those that only
 * base/config.c needs; the public ones stand in base/config.h). 0 or a negative code; *out only on
 * success. */
#pragma once
#include "base/cc.h"
#include "base/err.h"
#include <stdbool.h>
#include <stdint.h>

int config_parse_millicpu(const char *text, int64_t *out, struct err *err) CHECK_RESULT;
int config_parse_int(const char *text, int64_t *out, struct err *err) CHECK_RESULT;
int config_parse_bool(const char *text, bool *out, struct err *err) CHECK_RESULT;

/* "limits.execution" → "SPILLWAY_LIMITS_EXECUTION". A longer name is a broken invariant of the
 * table. */
#define CONFIG_ENV_MAX 96
void config_env_name(const char *key, char out[CONFIG_ENV_MAX]);
