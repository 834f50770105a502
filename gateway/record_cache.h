/* record_cache.h - results of finished executions in memory, the least recently used going first
 * when the bytes are used up. Ids come back with other sessions, and with other tenants: a record
 * is its tenant's only, and too old for who asks for a later one. Ownership: the cache owns the
 * records; what it hands out is borrowed until the next turn of the loop. */
#pragma once
#include "base/cc.h"
#include <stddef.h>
#include <stdint.h>

struct record_cache;
struct result_record;

struct record_key {
    const char *tenant, *session_id, *execution_id;
};

struct record_cache *record_cache_new(size_t bytes_max) CHECK_RESULT;
void record_cache_free(struct record_cache **c);
void record_cache_put(struct record_cache *c, const struct record_key *k, int64_t now_ms,
                      struct result_record *record /* takes */, size_t bytes);
/* NULL, too, for a record that was put before `since_ms`; it is dropped. */
struct result_record *record_cache_get(struct record_cache *c, const struct record_key *k,
                                       int64_t since_ms);
size_t record_cache_bytes(const struct record_cache *c);
