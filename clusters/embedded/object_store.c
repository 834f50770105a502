#include "clusters/embedded/object_store.h"
#include "base/json.h"
#include "base/mem.h"
#include "clusters/embedded/object_files.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <uthash.h>

struct entry {
    char *key; /* namespace/name */
    struct json_t *object;
    UT_hash_handle hh;
};

/* Of one kind. */
struct history {
    uint64_t floor; /* changes up to this one are no longer in it */
    struct object_record ring[OBJECT_HISTORY];
    size_t first, count;
};

struct object_store {
    char *dir;
    struct entry *kinds[OBJECT_KINDS];
    uint64_t version;
    struct history histories[OBJECT_KINDS];
    object_store_changed_f *changed;
    void *user;
};

/* Kinds that outlive the program. Nodes and events are made anew. */
static const char *const kind_dirs[OBJECT_KINDS] = {
    [OBJECT_NAMESPACE] = "namespaces",
    [OBJECT_POD] = "pods",
};

static void begin_histories(struct object_store *s, uint64_t version)
{
    s->version = version;
    for (int kind = 0; kind < OBJECT_KINDS; kind++)
        s->histories[kind].floor = version;
}

struct object_store *object_store_new(const char *dir, int64_t wall_ms,
                                      object_store_changed_f *changed, void *user)
{
    struct object_store *s = mem_alloc(sizeof *s);

    s->dir = mem_text(dir);
    begin_histories(s, (uint64_t)wall_ms * 1000);
    s->changed = changed;
    s->user = user;
    return s;
}

static void record_drop(struct object_record *r)
{
    json_free(r->now);
    json_free(r->before);
    *r = (struct object_record){0};
}

void object_store_free(struct object_store **s)
{
    if (!*s)
        return;
    for (int kind = 0; kind < OBJECT_KINDS; kind++) {
        struct entry *e, *next;

        HASH_ITER (hh, (*s)->kinds[kind], e, next) {
            HASH_DEL((*s)->kinds[kind], e);
            json_free(e->object);
            free(e->key);
            free(e);
        }
        for (size_t i = 0; i < OBJECT_HISTORY; i++)
            record_drop(&(*s)->histories[kind].ring[i]);
    }
    free((*s)->dir);
    free(*s);
    *s = NULL;
}

static struct entry *find(const struct object_store *s, enum object_kind kind, const char *ns,
                          const char *name)
{
    char key[600];
    struct entry *e = NULL;
    int len = snprintf(key, sizeof key, "%s/%s", ns, name);

    if (len > 0 && (size_t)len < sizeof key)
        HASH_FIND(hh, s->kinds[kind], key, (size_t)len, e);
    return e;
}

static const char *meta_text(const struct json_t *object, const char *key)
{
    return json_get_text(json_get(object, "metadata"), key, "");
}

static struct entry *entry_of(const struct object_store *s, enum object_kind kind,
                              const struct json_t *object)
{
    return find(s, kind, meta_text(object, "namespace"), meta_text(object, "name"));
}

struct json_t *object_store_get(const struct object_store *s, enum object_kind kind,
                                const char *namespace_name, const char *name)
{
    struct entry *e = find(s, kind, namespace_name, name);

    return e ? e->object : NULL;
}

static void make_uid(char out[37])
{
    uint8_t r[16];

    INVARIANT(getrandom(r, sizeof r, 0) == (ssize_t)sizeof r);
    r[6] = (uint8_t)((r[6] & 0x0f) | 0x40);
    r[8] = (uint8_t)((r[8] & 0x3f) | 0x80);
    snprintf(out, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", r[0],
             r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12], r[13],
             r[14], r[15]);
}

static void stamp(struct json_t *object, uint64_t version)
{
    struct json_t *meta = json_get(object, "metadata");
    char text[40];

    if (!json_get(meta, "uid")) {
        make_uid(text);
        json_set_text(meta, "uid", text);
    }
    if (!json_get(meta, "creationTimestamp")) {
        time_t now = time(NULL);
        struct tm tm;

        gmtime_r(&now, &tm);
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
        json_set_text(meta, "creationTimestamp", text);
    }
    snprintf(text, sizeof text, "%" PRIu64, version);
    json_set_text(meta, "resourceVersion", text);
}

static void record_add(struct object_store *s, enum object_kind kind, enum object_change change,
                       struct json_t *now, struct json_t *before)
{
    struct history *h = &s->histories[kind];
    struct object_record *r = &h->ring[(h->first + h->count) % OBJECT_HISTORY];

    if (h->count == OBJECT_HISTORY) {
        h->floor = r->version;
        record_drop(r);
        h->first = (h->first + 1) % OBJECT_HISTORY;
    } else {
        h->count++;
    }
    *r = (struct object_record){.version = s->version,
                                .kind = kind,
                                .change = change,
                                .now = json_ref(now),
                                .before = before ? json_ref(before) : NULL};
}

static void entry_add(struct object_store *s, enum object_kind kind, struct json_t *object)
{
    struct entry *e = mem_alloc(sizeof *e);

    e->key = mem_format("%s/%s", meta_text(object, "namespace"), meta_text(object, "name"));
    e->object = object;
    HASH_ADD_KEYPTR(hh, s->kinds[kind], e->key, strlen(e->key), e);
}

static int write_object(const struct object_store *s, enum object_kind kind,
                        const struct json_t *object, struct err *err)
{
    if (!s->dir || !kind_dirs[kind])
        return 0;
    return object_files_write(s->dir, kind_dirs[kind], meta_text(object, "uid"), object, err);
}

int object_store_put(struct object_store *s, enum object_kind kind, struct json_t *object,
                     struct err *err)
{
    struct entry *e = entry_of(s, kind, object);
    int rc = 0;

    stamp(object, s->version + 1);
    rc = write_object(s, kind, object, err);
    if (rc < 0) {
        json_free(object);
        return rc;
    }
    s->version++;
    record_add(s, kind, e ? OBJECT_MODIFIED : OBJECT_ADDED, object, e ? e->object : NULL);
    if (e) {
        json_free(e->object);
        e->object = object;
    } else {
        entry_add(s, kind, object);
    }
    if (s->changed)
        s->changed(s->user);
    return 0;
}

void object_store_remove(struct object_store *s, enum object_kind kind, const char *namespace_name,
                         const char *name)
{
    struct entry *e = find(s, kind, namespace_name, name);
    struct json_t *last = NULL;

    if (!e)
        return;
    if (s->dir && kind_dirs[kind])
        object_files_remove(s->dir, kind_dirs[kind], meta_text(e->object, "uid"));
    last = json_copy(e->object);
    stamp(last, ++s->version);
    record_add(s, kind, OBJECT_DELETED, last, e->object);
    json_free(last);
    HASH_DEL(s->kinds[kind], e);
    json_free(e->object);
    free(e->key);
    free(e);
    if (s->changed)
        s->changed(s->user);
}

static int by_key(const void *a, const void *b)
{
    const struct entry *x = *(struct entry *const *)a;
    const struct entry *y = *(struct entry *const *)b;

    return strcmp(x->key, y->key);
}

static bool in_namespace(const struct entry *e, const char *ns)
{
    size_t len = ns ? strlen(ns) : 0;

    return !ns || (strncmp(e->key, ns, len) == 0 && e->key[len] == '/');
}

size_t object_store_list(const struct object_store *s, enum object_kind kind,
                         const char *namespace_name, struct json_t ***out)
{
    size_t count = 0, all = HASH_COUNT(s->kinds[kind]);
    struct entry **found = mem_array(all + 1, sizeof *found);
    struct entry *e, *next;

    HASH_ITER (hh, s->kinds[kind], e, next) {
        if (in_namespace(e, namespace_name))
            found[count++] = e;
    }
    qsort(found, count, sizeof *found, by_key);
    *out = mem_array(count + 1, sizeof **out);
    for (size_t i = 0; i < count; i++)
        (*out)[i] = found[i]->object;
    free(found);
    return count;
}

size_t object_store_count(const struct object_store *s, enum object_kind kind)
{
    return HASH_COUNT(s->kinds[kind]);
}

uint64_t object_store_version(const struct object_store *s)
{
    return s->version;
}

bool object_store_covers(const struct object_store *s, enum object_kind kind, uint64_t version)
{
    return version >= s->histories[kind].floor;
}

const struct object_record *object_store_after(const struct object_store *s, enum object_kind kind,
                                               uint64_t version)
{
    const struct history *h = &s->histories[kind];
    size_t low = 0, high = h->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (h->ring[(h->first + middle) % OBJECT_HISTORY].version > version)
            high = middle;
        else
            low = middle + 1;
    }
    return low < h->count ? &h->ring[(h->first + low) % OBJECT_HISTORY] : NULL;
}

/* An object from disk: enough of it must be there to be found again. */
static bool load_one(struct object_store *s, enum object_kind kind, struct json_t *object)
{
    uint64_t version = strtoull(meta_text(object, "resourceVersion"), NULL, 10);

    if (!*meta_text(object, "name") || !*meta_text(object, "uid") || entry_of(s, kind, object))
        return false;
    if (version > s->version)
        begin_histories(s, version);
    entry_add(s, kind, json_ref(object));
    return true;
}

struct load_state {
    struct object_store *store;
    enum object_kind kind;
};

static bool load_file(struct json_t *object, void *user)
{
    struct load_state *l = user;

    return load_one(l->store, l->kind, object);
}

int object_store_load(struct object_store *s, unsigned *bad, struct err *err)
{
    *bad = 0;
    for (int kind = 0; s->dir && kind < OBJECT_KINDS; kind++) {
        struct load_state l = {s, (enum object_kind)kind};
        int rc = 0;

        if (!kind_dirs[kind])
            continue;
        rc = object_files_read(s->dir, kind_dirs[kind], load_file, &l, bad, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}
