/* sim_redis_data.h - what a Redis holds: texts, hashes and sorted sets by key, each of which may
 * expire. Slices that are handed out are valid until the next change. */
#pragma once
#include "base/slice.h"
#include <stdint.h>

struct sim_redis_data;

struct sim_redis_data *sim_redis_data_new(void);
struct sim_redis_data *sim_redis_data_copy(const struct sim_redis_data *d);
void sim_redis_data_free(struct sim_redis_data **d);
void sim_redis_data_each(struct sim_redis_data *d, void (*fn)(const char *key, void *user),
                         void *user);

bool sim_redis_exists(struct sim_redis_data *d, struct slice key);
bool sim_redis_remove(struct sim_redis_data *d, struct slice key);
bool sim_redis_expire(struct sim_redis_data *d, struct slice key, int64_t after_ms);

void sim_redis_string_set(struct sim_redis_data *d, struct slice key, struct slice value);
struct slice sim_redis_string_get(struct sim_redis_data *d, struct slice key); /* {NULL,0}: none */

void sim_redis_hash_set(struct sim_redis_data *d, struct slice key, struct slice field,
                        struct slice value);
struct slice sim_redis_hash_get(struct sim_redis_data *d, struct slice key, struct slice field);

void sim_redis_member_set(struct sim_redis_data *d, struct slice key, struct slice member,
                          double score);
bool sim_redis_member_remove(struct sim_redis_data *d, struct slice key, struct slice member);
/* score NULL-able. */
bool sim_redis_member_score(struct sim_redis_data *d, struct slice key, struct slice member,
                            double *score);
/* By score; how many there are, of which the first `max` are put into `out`. */
size_t sim_redis_members(struct sim_redis_data *d, struct slice key, double least, double most,
                         struct slice *out, size_t max);
