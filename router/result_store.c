#include "router/result_store.h"
#include "base/mem.h"
#include "router/redis_client.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_MAX 192 /* ids have at most 64 characters each */

struct result_store {
    struct redis_client *redis;
    char ttl_ms[24];
};

/* One call on its way; it does not need the store any more. */
struct errand {
    result_store_done_f *done;
    void *user;
};

struct result_store *result_store_new(struct redis_client *r, int64_t ttl_ms)
{
    struct result_store *s = mem_alloc(sizeof(*s));

    s->redis = r;
    snprintf(s->ttl_ms, sizeof(s->ttl_ms), "%" PRId64, ttl_ms);
    return s;
}

void result_store_free(struct result_store **s)
{
    free(*s);
    *s = NULL;
}

static void on_answer(const struct redis_value *value, const struct err *err, void *user)
{
    struct errand e = *(struct errand *)user;
    bool text = !err && value->kind == REDIS_TEXT;

    free(user);
    e.done(text ? &value->text : NULL, err, e.user);
}

/* What SET and DEL answer is no value of ours. */
static void on_done(const struct redis_value *value, const struct err *err, void *user)
{
    struct errand e = *(struct errand *)user;

    (void)value;
    free(user);
    e.done(NULL, err, e.user);
}

static struct errand *errand_new(result_store_done_f *done, void *user)
{
    struct errand *e = mem_alloc(sizeof(*e));

    e->done = done;
    e->user = user;
    return e;
}

/* The braces are Redis Cluster's hash tag: all of a session lies in one slot. */
static struct slice tombstone_key(char key[KEY_MAX], const char *session_id)
{
    snprintf(key, KEY_MAX, "spillway:{%s}:t", session_id);
    return slice_of(key);
}

static struct slice record_key(char key[KEY_MAX], const char *session_id, const char *execution_id)
{
    snprintf(key, KEY_MAX, "spillway:{%s}:x:%s", session_id, execution_id);
    return slice_of(key);
}

static void put(struct result_store *s, struct slice key, struct slice value,
                result_store_done_f *done, void *user)
{
    const struct slice args[] = {slice_of("SET"), key, value, slice_of("PX"), slice_of(s->ttl_ms)};

    redis_command(s->redis, args, ARRAY_LEN(args), on_done, errand_new(done, user));
}

static void get(struct result_store *s, struct slice key, result_store_done_f *done, void *user)
{
    redis_command(s->redis, (struct slice[]){slice_of("GET"), key}, 2, on_answer,
                  errand_new(done, user));
}

void result_store_put_record(struct result_store *s, const char *session_id,
                             const char *execution_id, struct slice record,
                             result_store_done_f *done, void *user)
{
    char key[KEY_MAX];

    put(s, record_key(key, session_id, execution_id), record, done, user);
}

void result_store_get_record(struct result_store *s, const char *session_id,
                             const char *execution_id, result_store_done_f *done, void *user)
{
    char key[KEY_MAX];

    get(s, record_key(key, session_id, execution_id), done, user);
}

void result_store_put_tombstone(struct result_store *s, const char *session_id, struct slice json,
                                result_store_done_f *done, void *user)
{
    char key[KEY_MAX];

    put(s, tombstone_key(key, session_id), json, done, user);
}

void result_store_replace_tombstone(struct result_store *s, const char *session_id,
                                    struct slice json, result_store_done_f *done, void *user)
{
    static const char REPLACE[] =
        "for _, key in ipairs(redis.call('KEYS', KEYS[2])) do redis.call('DEL', key) end "
        "return redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])";
    char key[KEY_MAX], records[KEY_MAX];
    const struct slice args[] = {slice_of("EVAL"),
                                 slice_of(REPLACE),
                                 slice_of("2"),
                                 tombstone_key(key, session_id),
                                 record_key(records, session_id, "*"),
                                 json,
                                 slice_of(s->ttl_ms)};

    redis_command(s->redis, args, ARRAY_LEN(args), on_done, errand_new(done, user));
}

void result_store_get_tombstone(struct result_store *s, const char *session_id,
                                result_store_done_f *done, void *user)
{
    char key[KEY_MAX];

    get(s, tombstone_key(key, session_id), done, user);
}

void result_store_drop_tombstone(struct result_store *s, const char *session_id,
                                 result_store_done_f *done, void *user)
{
    char key[KEY_MAX];

    redis_command(s->redis, (struct slice[]){slice_of("DEL"), tombstone_key(key, session_id)}, 2,
                  on_done, errand_new(done, user));
}
