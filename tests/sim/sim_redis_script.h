/* sim_redis_script.h - EVAL, by a real Lua: the scripts are production's. */
#pragma once
#include "sim_redis.h"

/* args: EVAL, script, number of keys, keys…, arguments…. */
struct redis_value *sim_redis_script_run(struct sim_redis *r, const struct slice *args, int count);

/* -- sim_redis.c -- */
struct redis_value *sim_redis_reply_number(int64_t n);
struct redis_value *sim_redis_reply_text(struct slice text); /* {NULL,0}: nil */
struct redis_value *sim_redis_reply_list(const struct slice *items, size_t count);
