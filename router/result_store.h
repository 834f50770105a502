/* result_store.h - what outlives a pod, in Redis, for an hour: the records of its executions and
 * the tombstone of the session. Keys: spillway:{ID}:t (tombstone, JSON) and spillway:{ID}:x:EID
 * (record, opaque bytes; sandbox/result_record.h). Callbacks: exactly once, on a later turn. value
 * NULL with err NULL: not there. */
#pragma once
#include "base/err.h"
#include "base/slice.h"
#include <stdint.h>

struct redis_client;
struct result_store;
typedef void result_store_done_f(const struct slice *value, const struct err *err, void *user);

struct result_store *result_store_new(struct redis_client *r, int64_t ttl_ms) CHECK_RESULT;
void result_store_free(struct result_store **s);
void result_store_put_record(struct result_store *s, const char *session_id,
                             const char *execution_id, struct slice record,
                             result_store_done_f *done, void *user);
void result_store_get_record(struct result_store *s, const char *session_id,
                             const char *execution_id, result_store_done_f *done, void *user);
void result_store_put_tombstone(struct result_store *s, const char *session_id, struct slice json,
                                result_store_done_f *done, void *user);
/* The same in place of one that is damaged. What records there are of the session go with it: the
 * old tombstone said whose they are. Looks through all keys: for what never happens. */
void result_store_replace_tombstone(struct result_store *s, const char *session_id,
                                    struct slice json, result_store_done_f *done, void *user);
void result_store_get_tombstone(struct result_store *s, const char *session_id,
                                result_store_done_f *done, void *user);
/* A session of that id begins anew: its tombstone goes; records stay until their time. */
void result_store_drop_tombstone(struct result_store *s, const char *session_id,
                                 result_store_done_f *done, void *user);
