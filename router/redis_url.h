/* redis_url.h - where a Redis is. Pure. "unix:///path", "redis://host[:port][/db]",
 * "redis://[v6]:port". */
#pragma once
#include "base/cc.h"
#include "base/err.h"
#include <stdbool.h>

struct redis_url {
    char path[108]; /* of a unix socket; "": TCP */
    char host[256];
    int port;
    int database;
};

int redis_url_parse(const char *text, struct redis_url *out,
                    struct err *err) CHECK_RESULT; /* ERR_CONFIG */
bool redis_url_is_numeric(
    const struct redis_url *url); /* the host is an address: nothing to look up */
