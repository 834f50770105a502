/* peers.h - which gateways of this site live, and who owns which duty (rendezvous hashing). A hint
 * that saves work: everything a duty does is harmless when done twice. Live gateways announce
 * themselves in Redis (spillway:gateways:SITE, a sorted set by time); without Redis each gateway
 * takes every duty for its own, but goes on to share with as many as it last heard of. */
#pragma once
#include "base/cc.h"
#include <stdbool.h>
#include <stddef.h>

struct loop;
struct redis_client;
struct peers;

struct peers *peers_new(struct loop *l, struct redis_client *r, const char *site,
                        const char *own_name) CHECK_RESULT;
void peers_free(struct peers **p); /* takes the announcement back */
bool peers_own_duty(const struct peers *p, const char *session_id);
/* Live ones, this one included, by Redis' last word; 1 before the first. */
size_t peers_count(const struct peers *p);
/* Pure part: the owner of `key` among names. */
const char *peers_owner(const char *const *names, size_t count, const char *key);
