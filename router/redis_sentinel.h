/* redis_sentinel.h - tells a redis_client where its master is.
 *
 * Asks one Sentinel every second, every 100 ms while the client is down, and then another one each
 * time: one of them may be cut off and know an old master only. The client itself checks the role
 * of whom it is sent to. Holds a redis_client of its own for each Sentinel. */
#pragma once
#include "base/err.h"
#include <stdint.h>

struct loop;
struct redis_client;
struct redis_sentinel;

/* NULL without an error where the URL names no Sentinel. password: of the Sentinels; NULL-able.
 * Borrows client, which lives longer. */
int redis_sentinel_new(struct loop *l, struct redis_client *client, const char *url,
                       const char *password, int64_t timeout_ms, struct redis_sentinel **out,
                       struct err *err) CHECK_RESULT;
void redis_sentinel_free(struct redis_sentinel **s); /* NULL accepted */
