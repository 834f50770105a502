/* sim_redis.h - a Redis server: the commands and scripts that production sends, run for real (the
 * scripts by Lua), on data that expires in virtual time and may be lost.
 *
 * Ownership: a reply is the caller's, until sim_redis_reply_free(). */
#pragma once
#include "router/redis_value.h"
#include "sim_world.h"

struct sim_redis;

struct sim_redis *sim_redis_new(const char *name);
void sim_redis_free(struct sim_redis **r);
struct sim_process *sim_redis_process(struct sim_redis *r);

/* Text of a reply that is an error begins with "-ERR". */
struct redis_value *sim_redis_run(struct sim_redis *r, const struct slice *args, int count);
void sim_redis_reply_free(struct redis_value **v);

/* It was killed, and comes back: with all, with what it had at the last save, or with nothing. */
void sim_redis_die(struct sim_redis *r);
enum sim_redis_memory { SIM_REDIS_KEEPS, SIM_REDIS_OLD, SIM_REDIS_EMPTY };
void sim_redis_come_back(struct sim_redis *r, enum sim_redis_memory with);
void sim_redis_save(struct sim_redis *r);

/* For properties: fn(key, user) for each key that has not expired. */
void sim_redis_each(struct sim_redis *r, void (*fn)(const char *key, void *user), void *user);
