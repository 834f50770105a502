/* redis_url.h - where a Redis is. Pure. "unix:///path", "redis://[USER@]host[:port][/db]", an IPv6
 * address in brackets; "redis+sentinel://[USER@]host[:port][,host[:port]…]/MASTER[/db]": the
 * Sentinels to ask, and the name that they know the master by. Ports: 6379, and 26379 of Sentinels.
 * USER is one of the servers' access control list (Redis 6, "ACL"); none: "default". A password in
 * the text is refused, and "rediss://": no TLS in this hiredis. */
#pragma once
#include "base/cc.h"
#include "base/err.h"
#include <stdbool.h>

#define REDIS_SENTINELS_MAX 8
#define REDIS_PLACE_TEXT    (256 + 16)

struct redis_place {
    char host[256];
    int port;
};

struct redis_url {
    char path[108];        /* of a unix socket; "": TCP */
    struct redis_place at; /* with Sentinel: "" until one has told */
    char user[64];         /* "": none was named */
    int database;
    char master[64]; /* its name with Sentinel */
    struct redis_place sentinels[REDIS_SENTINELS_MAX];
    int sentinel_count; /* 0: no Sentinel */
};

int redis_url_parse(const char *text, struct redis_url *out,
                    struct err *err) CHECK_RESULT; /* ERR_CONFIG */
/* A path or an address: nothing to look up. */
bool redis_url_is_direct(const struct redis_url *url);
bool redis_place_eq(const struct redis_place *a, const struct redis_place *b);
/* "host:port", "[v6]:port"; gives out. */
const char *redis_place_text(const struct redis_place *p, char out[REDIS_PLACE_TEXT]);
