#include "gateway/record_cache.h"

#include "base/mem.h"
#include "gateway/session_id.h"
#include "sandbox/result_record.h"

#include <stdlib.h>
#include <uthash.h>

#define ENTRY_OVERHEAD 512
#define KEY_SIZE       (SESSION_ID_SIZE + SESSION_ID_SIZE + EXECUTION_ID_SIZE)

struct entry {
    char key[KEY_SIZE];
    size_t key_len;
    struct result_record *record;
    size_t bytes;
    int64_t put_ms;
    UT_hash_handle hh;
};

struct record_cache {
    struct entry *entries; /* the least recently used first */
    size_t bytes, bytes_max;
};

struct record_cache *record_cache_new(size_t bytes_max)
{
    struct record_cache *c = mem_alloc(sizeof(*c));
    c->bytes_max = bytes_max;
    return c;
}

static void drop(struct record_cache *c, struct entry *e)
{
    HASH_DEL(c->entries, e);
    c->bytes -= e->bytes;
    result_record_free(&e->record);
    free(e);
}

void record_cache_free(struct record_cache **c)
{
    if (!*c)
        return;
    while ((*c)->entries)
        drop(*c, (*c)->entries);
    free(*c);
    *c = NULL;
}

static char *put(char *to, const char *end, const char *part)
{
    size_t len = strnlen(part, (size_t)(end - to) - 1);
    memcpy(to, part, len);
    to[len] = '/';
    return to + len + 1;
}

/* None of the three has a slash. Every poll of a result asks here: no format string. */
static size_t print_key(const struct record_key *k, char out[KEY_SIZE])
{
    char *at = put(out, out + KEY_SIZE, k->tenant);
    at = put(at, out + KEY_SIZE, k->session_id);
    at = put(at, out + KEY_SIZE, k->execution_id);
    return (size_t)(at - out);
}

static struct entry *find(struct record_cache *c, const struct record_key *k)
{
    char key[KEY_SIZE];
    struct entry *e;
    size_t len = print_key(k, key);
    HASH_FIND(hh, c->entries, key, len, e);
    return e;
}

void record_cache_put(struct record_cache *c, const struct record_key *k, int64_t now_ms,
                      struct result_record *record, size_t bytes)
{
    struct entry *e = find(c, k);
    if (e)
        drop(c, e);
    bytes += ENTRY_OVERHEAD;
    if (bytes > c->bytes_max) {
        result_record_free(&record);
        return;
    }
    while (c->bytes + bytes > c->bytes_max)
        drop(c, c->entries);
    e = mem_alloc(sizeof(*e));
    e->key_len = print_key(k, e->key);
    e->put_ms = now_ms;
    e->record = record;
    e->bytes = bytes;
    c->bytes += bytes;
    HASH_ADD(hh, c->entries, key, e->key_len, e);
}

struct result_record *record_cache_get(struct record_cache *c, const struct record_key *k,
                                       int64_t since_ms)
{
    struct entry *e = find(c, k);
    if (e && e->put_ms < since_ms) {
        drop(c, e);
        e = NULL;
    }
    if (!e)
        return NULL;
    HASH_DEL(c->entries, e); /* to the end of the order */
    HASH_ADD(hh, c->entries, key, e->key_len, e);
    return e->record;
}

size_t record_cache_bytes(const struct record_cache *c)
{
    return c->bytes;
}
