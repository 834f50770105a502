/* record_cache.h - results of finished executions in memory, the least recently used going first
 * when the bytes are used up. Ownership: the cache owns the records; what it hands out is borrowed
 * until the next turn of the loop. */
#pragma once
#include "base/cc.h"
#include <stddef.h>

struct record_cache;
struct result_record;

struct record_cache *record_cache_new(size_t bytes_max) CHECK_RESULT;
void record_cache_free(struct record_cache **c);
void record_cache_put(struct record_cache *c, const char *session_id, const char *execution_id,
                      struct result_record *record /* takes */, size_t bytes);
const struct result_record *record_cache_get(struct record_cache *c, const char *session_id,
                                             const char *execution_id);
size_t record_cache_bytes(const struct record_cache *c);
