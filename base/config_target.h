/* config_target.h - the value of one key into the fields of a program's configuration (inside of
 * base/config.c, which knows the sources and their order). 0 or a negative code; a field is only
 * written on success. What the fields point to is owned by `config`. */
#pragma once
#include "base/cc.h"

struct config;
struct config_key;
struct err;
struct json_t;

struct config_target {
    char *fields; /* the program's structure */
    struct config *config;
    struct err *err;
};

void *config_own(struct config *c, void *p); /* takes `p`, gives it back */

int config_target_set_text(struct config_target *t, const struct config_key *k,
                           const char *text) CHECK_RESULT;
int config_target_set_node(struct config_target *t, const struct config_key *k,
                           const struct json_t *j) CHECK_RESULT;
int config_target_set_fallback(struct config_target *t, const struct config_key *k) CHECK_RESULT;
