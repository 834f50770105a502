#include "watermark/watermark_feed.h"
#include "base/mem.h"
#include "base/world.h"
#include "clusters/kube_store.h"
#include <stdlib.h>
#include <uthash.h>

#define HOLD_FIRST_MS 5000
#define HOLD_MAX_MS   60000

struct place {
    UT_hash_handle hh;
    size_t index;
    const char *name; /* of the store's node: lives for this turn */
};

struct watermark_feed {
    struct world *world;
    struct kube_store *store;
    struct snapshot snapshot;
    uint64_t version; /* of the store, at the last build; 0: none yet */
    int64_t hold_ms;  /* how long the next hold will be */
};

struct build {
    struct snapshot *snapshot;
    struct place *places;
    struct place *by_name;
};

struct watermark_feed *watermark_feed_new(struct world *w, struct kube_store *s)
{
    struct watermark_feed *f = mem_alloc(sizeof(*f));

    f->world = w;
    f->store = s;
    f->hold_ms = HOLD_FIRST_MS;
    return f;
}

static void clear(struct snapshot *s)
{
    free(s->nodes);
    free(s->unbound);
    s->nodes = NULL;
    s->unbound = NULL;
    s->node_count = 0;
    s->unbound_count = 0;
}

void watermark_feed_free(struct watermark_feed **at)
{
    struct watermark_feed *f = *at;

    *at = NULL;
    if (!f)
        return;
    clear(&f->snapshot);
    free(f);
}

static bool add_node(const struct kube_node *n, void *user)
{
    struct build *b = user;

    if (!n->ready || n->unschedulable || n->tainted)
        return true;
    size_t i = b->snapshot->node_count++;
    b->snapshot->nodes[i].allocatable = n->allocatable;
    b->snapshot->nodes[i].free = n->allocatable;
    b->places[i].index = i;
    b->places[i].name = n->name;
    HASH_ADD_KEYPTR(hh, b->by_name, n->name, strlen(n->name), &b->places[i]);
    return true;
}

static void add(struct kube_resources *to, const struct kube_resources *r, int64_t sign)
{
    to->millicpu += sign * r->millicpu;
    to->memory_bytes += sign * r->memory_bytes;
    to->ephemeral_bytes += sign * r->ephemeral_bytes;
    to->pods += sign * r->pods;
}

static bool add_pod(const struct kube_pod *p, void *user)
{
    struct build *b = user;
    struct place *place;

    if (!kube_pod_alive(p))
        return true;
    if (p->node_name[0] == '\0') {
        b->snapshot->unbound[b->snapshot->unbound_count++] = p->requests;
        return true;
    }
    HASH_FIND_STR(b->by_name, p->node_name, place);
    if (!place)
        return true;
    struct snapshot_node *n = &b->snapshot->nodes[place->index];
    add(&n->free, &p->requests, -1);
    if (p->marks.session_id[0] != '\0')
        add(&n->sandboxes, &p->requests, 1);
    return true;
}

static void rebuild(struct watermark_feed *f)
{
    size_t nodes = kube_store_node_count(f->store);
    size_t pods = kube_store_pod_count(f->store);
    struct build b = {.snapshot = &f->snapshot};

    clear(&f->snapshot);
    f->snapshot.nodes = mem_array(nodes + 1, sizeof(*f->snapshot.nodes));
    f->snapshot.unbound = mem_array(pods + 1, sizeof(*f->snapshot.unbound));
    b.places = mem_array(nodes + 1, sizeof(*b.places));
    kube_store_each_node(f->store, add_node, &b);
    kube_store_each_pod(f->store, add_pod, &b);
    HASH_CLEAR(hh, b.by_name);
    free(b.places);
}

const struct snapshot *watermark_feed_take(struct watermark_feed *f)
{
    uint64_t version = kube_store_version(f->store);

    if (version != f->version) {
        rebuild(f);
        f->version = version;
    }
    f->snapshot.known = kube_store_synced(f->store) && kube_store_connected(f->store);
    f->snapshot.taken_ms = world_now_ms(f->world);
    return &f->snapshot;
}

/* Refusals come in bundles, one for each create that was on its way: the hold that they start
 * counts once. */
void watermark_feed_refused(struct watermark_feed *f)
{
    int64_t now = world_now_ms(f->world);

    if (now < f->snapshot.hold_until_ms)
        return;
    f->snapshot.hold_until_ms = now + f->hold_ms;
    f->hold_ms = f->hold_ms * 2 < HOLD_MAX_MS ? f->hold_ms * 2 : HOLD_MAX_MS;
}

void watermark_feed_bound(struct watermark_feed *f)
{
    f->hold_ms = HOLD_FIRST_MS;
}
