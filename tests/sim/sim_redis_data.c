#include "sim_redis_data.h"

#include "base/mem.h"
#include "sim_world.h"

#include <stdlib.h>
#include <uthash.h>

/* One value of a key: a text has one without a name, a hash one for each field, a set one for each
 * member. */
struct item {
    char *name, *value;
    size_t value_len;
    double score;
};

struct entry {
    char *key;
    struct item *items; /* of a set: by score, then name */
    size_t count;
    int64_t expires_ms; /* 0: never */
    UT_hash_handle hh;
};

struct sim_redis_data {
    struct entry *entries;
};

struct sim_redis_data *sim_redis_data_new(void)
{
    struct sim_redis_data *d = mem_alloc(sizeof(*d));
    return d;
}

static void drop(struct sim_redis_data *d, struct entry *e)
{
    HASH_DEL(d->entries, e);
    for (size_t i = 0; i < e->count; i++) {
        free(e->items[i].name);
        free(e->items[i].value);
    }
    free(e->items);
    free(e->key);
    free(e);
}

void sim_redis_data_free(struct sim_redis_data **at)
{
    struct sim_redis_data *d = *at;
    struct entry *e, *next;
    *at = NULL;
    if (!d)
        return;
    HASH_ITER (hh, d->entries, e, next)
        drop(d, e);
    free(d);
}

struct sim_redis_data *sim_redis_data_copy(const struct sim_redis_data *d)
{
    struct sim_redis_data *copy = sim_redis_data_new();
    struct entry *e, *next;
    HASH_ITER (hh, d->entries, e, next) {
        struct entry *c = mem_alloc(sizeof(*c));
        c->key = mem_text(e->key);
        c->expires_ms = e->expires_ms;
        c->count = e->count;
        c->items = mem_array(e->count + 1, sizeof(*c->items));
        for (size_t i = 0; i < e->count; i++) {
            c->items[i] = e->items[i];
            c->items[i].name = mem_text(e->items[i].name);
            c->items[i].value = mem_text_n(e->items[i].value, e->items[i].value_len);
        }
        HASH_ADD_KEYPTR(hh, copy->entries, c->key, strlen(c->key), c);
    }
    return copy;
}

/* -- entries -- */

static struct entry *find(struct sim_redis_data *d, struct slice key)
{
    struct entry *e;
    HASH_FIND(hh, d->entries, key.at, key.len, e);
    if (e && e->expires_ms > 0 && e->expires_ms <= sim_now()) {
        drop(d, e);
        return NULL;
    }
    return e;
}

static struct entry *find_or_make(struct sim_redis_data *d, struct slice key)
{
    struct entry *e = find(d, key);
    if (e)
        return e;
    e = mem_alloc(sizeof(*e));
    e->key = mem_text_n(key.at, key.len);
    HASH_ADD_KEYPTR(hh, d->entries, e->key, key.len, e);
    return e;
}

void sim_redis_data_each(struct sim_redis_data *d, void (*fn)(const char *key, void *user),
                         void *user)
{
    struct entry *e, *next;
    HASH_ITER (hh, d->entries, e, next) {
        if (find(d, slice_of(e->key)))
            fn(e->key, user);
    }
}

bool sim_redis_exists(struct sim_redis_data *d, struct slice key)
{
    return find(d, key) != NULL;
}

bool sim_redis_remove(struct sim_redis_data *d, struct slice key)
{
    struct entry *e = find(d, key);
    if (e)
        drop(d, e);
    return e != NULL;
}

bool sim_redis_expire(struct sim_redis_data *d, struct slice key, int64_t after_ms)
{
    struct entry *e = find(d, key);
    if (e)
        e->expires_ms = sim_now() + (after_ms > 0 ? after_ms : 1);
    return e != NULL;
}

/* -- items -- */

static size_t find_item(const struct entry *e, struct slice name)
{
    size_t i = 0;
    while (e && i < e->count && !slice_eq(name, e->items[i].name))
        i++;
    return i;
}

static struct item *item_of(struct entry *e, struct slice name)
{
    size_t i = find_item(e, name);
    if (i == e->count) {
        e->items = mem_resize(e->items, (e->count + 1) * sizeof(*e->items));
        e->items[e->count++] = (struct item){.name = mem_text_n(name.at, name.len)};
    }
    return &e->items[i];
}

static void set_value(struct entry *e, struct slice name, struct slice value)
{
    struct item *i = item_of(e, name);
    free(i->value);
    i->value = mem_text_n(value.at ? value.at : "", value.len);
    i->value_len = value.len;
}

static struct slice value_of(const struct entry *e, struct slice name)
{
    size_t i = find_item(e, name);
    if (!e || i == e->count)
        return (struct slice){0};
    return (struct slice){e->items[i].value, e->items[i].value_len};
}

void sim_redis_string_set(struct sim_redis_data *d, struct slice key, struct slice value)
{
    sim_redis_remove(d, key); /* SET also takes the expiry away */
    set_value(find_or_make(d, key), slice_of(""), value);
}

struct slice sim_redis_string_get(struct sim_redis_data *d, struct slice key)
{
    return value_of(find(d, key), slice_of(""));
}

void sim_redis_hash_set(struct sim_redis_data *d, struct slice key, struct slice field,
                        struct slice value)
{
    set_value(find_or_make(d, key), field, value);
}

struct slice sim_redis_hash_get(struct sim_redis_data *d, struct slice key, struct slice field)
{
    return value_of(find(d, key), field);
}

/* -- sorted sets -- */

static int by_score(const void *a, const void *b)
{
    const struct item *left = a, *right = b;
    if (left->score != right->score)
        return left->score < right->score ? -1 : 1;
    return strcmp(left->name, right->name);
}

void sim_redis_member_set(struct sim_redis_data *d, struct slice key, struct slice member,
                          double score)
{
    struct entry *e = find_or_make(d, key);
    item_of(e, member)->score = score;
    qsort(e->items, e->count, sizeof(*e->items), by_score);
}

bool sim_redis_member_remove(struct sim_redis_data *d, struct slice key, struct slice member)
{
    struct entry *e = find(d, key);
    size_t i = find_item(e, member);
    if (!e || i == e->count)
        return false;
    free(e->items[i].name);
    free(e->items[i].value);
    memmove(&e->items[i], &e->items[i + 1], (e->count - i - 1) * sizeof(*e->items));
    if (--e->count == 0)
        drop(d, e);
    return true;
}

bool sim_redis_member_score(struct sim_redis_data *d, struct slice key, struct slice member,
                            double *score)
{
    struct entry *e = find(d, key);
    size_t i = find_item(e, member);
    if (!e || i == e->count)
        return false;
    if (score)
        *score = e->items[i].score;
    return true;
}

size_t sim_redis_members(struct sim_redis_data *d, struct slice key, double least, double most,
                         struct slice *out, size_t max)
{
    struct entry *e = find(d, key);
    size_t found = 0;
    for (size_t i = 0; e && i < e->count; i++) {
        if (e->items[i].score < least || e->items[i].score > most)
            continue;
        if (found < max)
            out[found] = slice_of(e->items[i].name);
        found++;
    }
    return found;
}
