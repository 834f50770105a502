#include "clusters/kube_known.h"
#include "base/mem.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct entry {
    UT_hash_handle hh;
    char *uid;
    char *version;
    uint64_t list; /* the last list that had it, or during which a watch showed it */
    size_t namespace_len;
    char key[]; /* "namespace/name" */
};

struct kube_known {
    struct entry *by_key;
    uint64_t list;
};

struct kube_known *kube_known_new(void)
{
    return mem_alloc(sizeof(struct kube_known));
}

static void drop(struct kube_known *k, struct entry *e)
{
    HASH_DEL(k->by_key, e);
    free(e->uid);
    free(e->version);
    free(e);
}

void kube_known_free(struct kube_known **at)
{
    struct kube_known *k = *at;

    *at = NULL;
    if (!k)
        return;
    while (k->by_key)
        drop(k, k->by_key);
    free(k);
}

static struct entry *find(const struct kube_known *k, const struct kube_identity *id)
{
    char *key CLEANUP(mem_free_text) = mem_format("%s/%s", id->namespace_name, id->name);
    struct entry *e;

    HASH_FIND_STR(k->by_key, key, e);
    return e;
}

/* Told of after it is dropped, so that the other side sees a table that agrees with what it hears.
 */
static void drop_and_tell(struct kube_known *k, struct entry *e, kube_known_f *gone, void *user)
{
    char *key CLEANUP(mem_free_text) = mem_text(e->key);
    char *uid CLEANUP(mem_free_text) = mem_text(e->uid);
    size_t namespace_len = e->namespace_len;

    drop(k, e);
    key[namespace_len] = '\0';
    gone(&(struct kube_identity){key, key + namespace_len + 1, uid, ""}, user);
}

static void add(struct kube_known *k, const struct kube_identity *id)
{
    size_t namespace_len = strlen(id->namespace_name);
    size_t name_len = strlen(id->name);
    struct entry *e = mem_alloc(sizeof(*e) + namespace_len + name_len + 2);

    memcpy(e->key, id->namespace_name, namespace_len);
    e->key[namespace_len] = '/';
    memcpy(e->key + namespace_len + 1, id->name, name_len + 1);
    e->namespace_len = namespace_len;
    e->uid = mem_text(id->uid);
    e->version = mem_text(id->version);
    e->list = k->list;
    HASH_ADD_STR(k->by_key, key, e);
}

enum kube_known_change kube_known_put(struct kube_known *k, const struct kube_identity *id,
                                      kube_known_f *gone, void *user)
{
    struct entry *e = find(k, id);

    if (e && strcmp(e->uid, id->uid) != 0) {
        drop_and_tell(k, e, gone, user);
        e = NULL;
    }
    if (!e) {
        add(k, id);
        return KUBE_KNOWN_NEW;
    }
    e->list = k->list;
    if (id->version[0] != '\0' && strcmp(e->version, id->version) == 0)
        return KUBE_KNOWN_SAME;
    free(e->version);
    e->version = mem_text(id->version);
    return KUBE_KNOWN_CHANGED;
}

void kube_known_remove(struct kube_known *k, const struct kube_identity *id)
{
    struct entry *e = find(k, id);

    if (e && strcmp(e->uid, id->uid) == 0)
        drop(k, e);
}

void kube_known_begin_list(struct kube_known *k)
{
    k->list++;
}

void kube_known_end_list(struct kube_known *k, kube_known_f *gone, void *user)
{
    struct entry *e, *next;

    HASH_ITER (hh, k->by_key, e, next)
        if (e->list != k->list)
            drop_and_tell(k, e, gone, user);
}

size_t kube_known_count(const struct kube_known *k)
{
    return HASH_COUNT(k->by_key);
}
