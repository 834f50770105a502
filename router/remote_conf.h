/* remote_conf.h - one row of the configuration's `remotes:`, checked, with its defaults. Pure. */

#pragma once
#include "base/config.h"
#include "base/err.h"
#include "base/slice.h"
#include <stdint.h>

#define REMOTE_NAME_SIZE  64
#define REMOTE_TOKEN_SIZE 257
#define REMOTES_MAX       16

struct remote_conf {
    char name[REMOTE_NAME_SIZE];
    const char
        *url; /* without a slash at its end where it came without; borrowed, like all texts */
    const char *token_file;
    const char *ca_file; /* NULL: the system's */
    const char *cert_file, *key_file;
    int64_t priority;     /* lowest first; default 0 */
    int64_t weight;       /* default 1 */
    int64_t max_sessions; /* of ours there; 0: no limit */
    char token[REMOTE_TOKEN_SIZE];
};

/* ERR_CONFIG names what is wrong, unknown keys too. A plain http:// URL must be of this machine. */
int remote_conf_parse(struct remote_conf *out, const struct config_map *row,
                      struct err *err) CHECK_RESULT;
/* A token: 16 to 256 printable characters without white space. */
int remote_conf_set_token(struct remote_conf *out, struct slice token,
                          struct err *err) CHECK_RESULT;
