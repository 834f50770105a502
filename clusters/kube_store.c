#include "clusters/kube_store.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "clusters/kube_client.h"
#include "clusters/kube_watch.h"
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define SUBSCRIBERS_MAX 8
#define GONE_MAX        1024 /* how many deleted uids are remembered … */
#define UNSEEN_MS                                                                                  \
    30000 /* … and how long a learned pod may stay unseen when versions cannot be compared */

struct pod_entry {
    UT_hash_handle hh;         /* by name */
    UT_hash_handle hh_session; /* by the session's id, when it is the one that counts */
    struct kube_pod *pod;
    bool indexed; /* in by_session */
    bool learned; /* what we have of it comes from an answer, not from the watch */
    bool watched; /* the watch has shown it: it will tell of the end, too */
    int64_t learned_ms;
};

struct node_entry {
    UT_hash_handle hh;
    struct kube_node *node;
};

/* uids never come back: an answer that arrives late, about a pod that is gone, must not bring it
 * back. */
struct gone {
    UT_hash_handle hh;
    char uid[]; /* the key */
};

/* What was replaced in this turn; outlives the store if need be. */
struct grave {
    struct kube_store *store; /* NULL: gone */
    struct kube_pod **pods;
    size_t pod_count;
    struct kube_node **nodes;
    size_t node_count;
};

struct subscriber {
    kube_store_pod_f *fn;
    void *user;
};

struct node_subscriber {
    kube_store_node_f *fn;
    void *user;
};

struct kube_store {
    struct loop *loop;
    struct world *world;
    struct kube_watch *pod_watch;
    struct kube_watch *node_watch;
    struct pod_entry *by_name;
    struct pod_entry *by_session;
    struct node_entry *nodes;
    struct gone *gone; /* oldest first */
    struct grave *grave;
    struct subscriber subscribers[SUBSCRIBERS_MAX];
    int subscriber_count;
    struct node_subscriber node_subscribers[SUBSCRIBERS_MAX];
    int node_subscriber_count;
    int rivals; /* pods of a session that another pod of it keeps out of the index */
    uint64_t version;
};

/* -- what must live until the end of the turn -- */

static void empty_grave(void *user)
{
    struct grave *g = user;

    for (size_t i = 0; i < g->pod_count; i++)
        kube_pod_free(&g->pods[i]);
    for (size_t i = 0; i < g->node_count; i++)
        kube_node_free(&g->nodes[i]);
    if (g->store)
        g->store->grave = NULL;
    free(g->pods);
    free(g->nodes);
    free(g);
}

static struct grave *grave_of(struct kube_store *s)
{
    if (!s->grave) {
        s->grave = mem_alloc(sizeof(*s->grave));
        s->grave->store = s;
        loop_defer(s->loop, empty_grave, s->grave);
    }
    return s->grave;
}

static void bury_pod(struct kube_store *s, struct kube_pod *p)
{
    struct grave *g = grave_of(s);

    g->pods = mem_resize(g->pods, (g->pod_count + 1) * sizeof(struct kube_pod *));
    g->pods[g->pod_count++] = p;
}

static void bury_node(struct kube_store *s, struct kube_node *n)
{
    struct grave *g = grave_of(s);

    g->nodes = mem_resize(g->nodes, (g->node_count + 1) * sizeof(struct kube_node *));
    g->nodes[g->node_count++] = n;
}

/* -- uids that are gone -- */

static bool is_gone(const struct kube_store *s, const char *uid)
{
    struct gone *g;

    HASH_FIND_STR(s->gone, uid, g);
    return g != NULL;
}

static void remember_gone(struct kube_store *s, const char *uid)
{
    size_t len = strlen(uid);

    if (len == 0 || is_gone(s, uid))
        return;
    if (HASH_COUNT(s->gone) >= GONE_MAX) {
        struct gone *oldest = s->gone;
        HASH_DEL(s->gone, oldest);
        free(oldest);
    }
    struct gone *g = mem_alloc(sizeof(*g) + len + 1);
    memcpy(g->uid, uid, len + 1);
    HASH_ADD_STR(s->gone, uid, g);
}

/* -- the index by session -- */

static struct pod_entry *find_session(const struct kube_store *s, const char *session_id)
{
    struct pod_entry *e;

    HASH_FIND(hh_session, s->by_session, session_id, strlen(session_id), e);
    return e;
}

static bool is_living(const struct kube_pod *p)
{
    return kube_pod_alive(p) && !p->terminating;
}

static void index_entry(struct kube_store *s, struct pod_entry *e)
{
    const char *id = e->pod->marks.session_id;

    if (id[0] == '\0')
        return;
    struct pod_entry *rival = find_session(s, id);
    if (rival && (is_living(rival->pod) || !is_living(e->pod))) {
        s->rivals++;
        return;
    }
    if (rival) {
        HASH_DELETE(hh_session, s->by_session, rival);
        rival->indexed = false;
        s->rivals++;
    }
    HASH_ADD_KEYPTR(hh_session, s->by_session, id, strlen(id), e);
    e->indexed = true;
}

static void index_a_rival(struct kube_store *s, const char *session_id)
{
    struct pod_entry *e, *next;

    HASH_ITER (hh, s->by_name, e, next) {
        if (!e->indexed && strcmp(e->pod->marks.session_id, session_id) == 0) {
            s->rivals--;
            index_entry(s, e);
            return;
        }
    }
}

/* Before the entry's pod changes or goes: the key lies in the pod. */
static void unindex_entry(struct kube_store *s, struct pod_entry *e)
{
    const char *id = e->pod->marks.session_id;

    if (id[0] == '\0')
        return;
    if (!e->indexed) {
        s->rivals--;
        return;
    }
    HASH_DELETE(hh_session, s->by_session, e);
    e->indexed = false;
}

/* -- changes -- */

static void tell(struct kube_store *s, const struct kube_pod *before, const struct kube_pod *after)
{
    s->version++;
    for (int i = 0; i < s->subscriber_count; i++)
        s->subscribers[i].fn(before, after, s->subscribers[i].user);
}

static struct pod_entry *find_pod(const struct kube_store *s, const char *name)
{
    struct pod_entry *e;

    HASH_FIND_STR(s->by_name, name, e);
    return e;
}

static void remove_pod(struct kube_store *s, struct pod_entry *e)
{
    struct kube_pod *p = e->pod;

    unindex_entry(s, e);
    HASH_DEL(s->by_name, e);
    free(e);
    if (s->rivals > 0 && p->marks.session_id[0] != '\0' && !find_session(s, p->marks.session_id))
        index_a_rival(s, p->marks.session_id);
    remember_gone(s, p->uid);
    bury_pod(s, p);
    tell(s, p, NULL);
}

static struct pod_entry *add_pod(struct kube_store *s, struct kube_pod *p)
{
    struct pod_entry *e = mem_alloc(sizeof(*e));

    e->pod = p;
    e->learned_ms = world_now_ms(s->world);
    HASH_ADD_KEYPTR(hh, s->by_name, p->name, strlen(p->name), e);
    index_entry(s, e);
    return e;
}

/* Both keys lie in the pod, so the entry leaves both tables while the pod is exchanged. */
static void replace_pod(struct kube_store *s, struct pod_entry *e, struct kube_pod *p)
{
    struct kube_pod *before = e->pod;

    unindex_entry(s, e);
    HASH_DEL(s->by_name, e);
    e->pod = p;
    HASH_ADD_KEYPTR(hh, s->by_name, p->name, strlen(p->name), e);
    index_entry(s, e);
    bury_pod(s, before);
    tell(s, before, p);
}

/* The watch is in order by itself, also where a server came back from a backup and counts from a
 * lower version: versions are compared only where an answer is one of the two. */
static bool is_stale(const struct pod_entry *e, const struct kube_pod *p, bool watched)
{
    if (strcmp(e->pod->resource_version, p->resource_version) == 0)
        return true;
    return (e->learned || !watched) &&
           kube_version_older(p->resource_version, e->pod->resource_version);
}

/* A name is of one pod at a time: while the watch is late it tells of the one before the pod that
 * an answer made known. */
static bool is_old_news(const struct pod_entry *e, const struct kube_pod *p)
{
    return e->learned && kube_version_older(p->resource_version, e->pod->resource_version);
}

/* Takes `p`. */
static void put_pod(struct kube_store *s, struct kube_pod *p, bool watched)
{
    struct pod_entry *e = find_pod(s, p->name);

    if (p->uid[0] == '\0' || is_gone(s, p->uid)) {
        kube_pod_free(&p);
        return;
    }
    if (e && strcmp(e->pod->uid, p->uid) != 0) {
        if (watched && is_old_news(e, p)) {
            kube_pod_free(&p);
            return;
        }
        remove_pod(s, e);
        e = NULL;
    }
    if (!e) {
        e = add_pod(s, p);
        e->watched = watched;
        e->learned = !watched;
        tell(s, NULL, p);
        return;
    }
    e->watched |= watched;
    if (is_stale(e, p, watched)) {
        kube_pod_free(&p);
        return;
    }
    e->learned = !watched;
    replace_pod(s, e, p);
}

const struct kube_pod *kube_store_learn(struct kube_store *s, const struct json_t *pod)
{
    struct kube_pod *p = kube_pod_parse(pod, NULL);
    const char *uid = json_get_text(json_get(pod, "metadata"), "uid", "");

    if (!p)
        return NULL;
    put_pod(s, p, false);
    const struct pod_entry *e = find_pod(s, json_get_text(json_get(pod, "metadata"), "name", ""));
    return e && strcmp(e->pod->uid, uid) == 0 ? e->pod : NULL;
}

void kube_store_forget(struct kube_store *s, const char *name, const char *uid)
{
    struct pod_entry *e = find_pod(s, name);

    if (e && (uid[0] == '\0' || strcmp(e->pod->uid, uid) == 0))
        remove_pod(s, e);
    else
        remember_gone(s, uid);
}

static void on_pod_event(enum kube_event what, const struct json_t *object, void *user)
{
    struct kube_store *s = user;
    struct json_t *m = json_get(object, "metadata");

    if (what == KUBE_DELETED) {
        kube_store_forget(s, json_get_text(m, "name", ""), json_get_text(m, "uid", ""));
        return;
    }
    struct kube_pod *p = kube_pod_parse(object, NULL);
    if (p)
        put_pod(s, p, true);
}

/* A pod that we were told of, that no watch has shown and that the list does not have, is gone - if
 * the list is newer than what we were told. A watch that has shown a pod tells of its end by
 * itself. */
static bool is_lost(const struct kube_store *s, const struct pod_entry *e, const char *listed)
{
    if (e->watched)
        return false;
    if (kube_version_older(e->pod->resource_version, listed))
        return true;
    return !kube_version_older(listed, e->pod->resource_version) &&
           world_now_ms(s->world) - e->learned_ms > UNSEEN_MS;
}

static void on_pods_synced(void *user)
{
    struct kube_store *s = user;
    struct pod_entry *e, *next;

    HASH_ITER (hh, s->by_name, e, next)
        if (is_lost(s, e, kube_watch_version(s->pod_watch)))
            remove_pod(s, e);
}

/* -- nodes -- */

static void tell_node(struct kube_store *s, const struct kube_node *before,
                      const struct kube_node *after)
{
    s->version++;
    for (int i = 0; i < s->node_subscriber_count; i++)
        s->node_subscribers[i].fn(before, after, s->node_subscribers[i].user);
}

/* Takes `after`, NULL-able: the node is gone. */
static void replace_node(struct kube_store *s, struct node_entry *e, struct kube_node *after)
{
    struct kube_node *before = e->node;

    HASH_DEL(s->nodes, e);
    bury_node(s, before);
    e->node = after;
    if (after)
        HASH_ADD_KEYPTR(hh, s->nodes, after->name, strlen(after->name), e);
    else
        free(e);
    tell_node(s, before, after);
}

/* Takes `n`. */
static void add_node(struct kube_store *s, struct kube_node *n)
{
    struct node_entry *e = mem_alloc(sizeof(*e));

    e->node = n;
    HASH_ADD_KEYPTR(hh, s->nodes, n->name, strlen(n->name), e);
    tell_node(s, NULL, n);
}

static void on_node_event(enum kube_event what, const struct json_t *object, void *user)
{
    struct kube_store *s = user;
    const char *name = json_get_text(json_get(object, "metadata"), "name", "");
    const char *uid = json_get_text(json_get(object, "metadata"), "uid", "");
    struct kube_node *n = what == KUBE_DELETED ? NULL : kube_node_parse(object, NULL);
    struct node_entry *e;

    HASH_FIND_STR(s->nodes, name, e);
    if (what == KUBE_DELETED) {
        if (e && strcmp(e->node->uid, uid) == 0)
            replace_node(s, e, NULL);
        return;
    }
    if (e)
        replace_node(s, e, n); /* one that cannot be read any more has no room for anybody */
    else if (n)
        add_node(s, n);
}

static void on_nodes_synced(void *user)
{
    (void)user;
}

/* -- life -- */

static struct kube_watch *watch_pods(struct kube_store *s, struct kube_client *k)
{
    static const struct kube_watch_events EVENTS = {on_pod_event, on_pods_synced};
    char *path CLEANUP(mem_free_text) =
        mem_format("/api/v1/namespaces/%s/pods", kube_client_namespace(k));

    return kube_watch_new(k, &(struct kube_watch_conf){.path = path}, &EVENTS, s);
}

static struct kube_watch *watch_nodes(struct kube_store *s, struct kube_client *k)
{
    static const struct kube_watch_events EVENTS = {on_node_event, on_nodes_synced};

    return kube_watch_new(k, &(struct kube_watch_conf){.path = "/api/v1/nodes"}, &EVENTS, s);
}

struct kube_store *kube_store_new(struct loop *l, struct kube_client *k)
{
    struct kube_store *s = mem_alloc(sizeof(*s));

    s->loop = l;
    s->world = loop_world(l);
    s->version = 1;
    s->pod_watch = watch_pods(s, k);
    s->node_watch = watch_nodes(s, k);
    kube_watch_start(s->pod_watch);
    kube_watch_start(s->node_watch);
    return s;
}

static void free_pods(struct kube_store *s)
{
    struct pod_entry *e, *next;

    HASH_CLEAR(hh_session, s->by_session);
    HASH_ITER (hh, s->by_name, e, next) {
        HASH_DEL(s->by_name, e);
        kube_pod_free(&e->pod);
        free(e);
    }
}

void kube_store_free(struct kube_store **at)
{
    struct kube_store *s = *at;

    *at = NULL;
    if (!s)
        return;
    kube_watch_free(&s->pod_watch);
    kube_watch_free(&s->node_watch);
    free_pods(s);
    while (s->nodes) {
        struct node_entry *e = s->nodes;
        HASH_DEL(s->nodes, e);
        kube_node_free(&e->node);
        free(e);
    }
    while (s->gone) {
        struct gone *g = s->gone;
        HASH_DEL(s->gone, g);
        free(g);
    }
    if (s->grave)
        s->grave->store = NULL;
    free(s);
}

void kube_store_subscribe(struct kube_store *s, kube_store_pod_f *fn, void *user)
{
    INVARIANT(s->subscriber_count < SUBSCRIBERS_MAX);
    s->subscribers[s->subscriber_count++] = (struct subscriber){fn, user};
}

void kube_store_subscribe_nodes(struct kube_store *s, kube_store_node_f *fn, void *user)
{
    INVARIANT(s->node_subscriber_count < SUBSCRIBERS_MAX);
    s->node_subscribers[s->node_subscriber_count++] = (struct node_subscriber){fn, user};
}

bool kube_store_synced(const struct kube_store *s)
{
    return kube_watch_synced(s->pod_watch) && kube_watch_synced(s->node_watch);
}

bool kube_store_connected(const struct kube_store *s)
{
    return kube_watch_connected(s->pod_watch) && kube_watch_connected(s->node_watch);
}

const char *kube_store_error(const struct kube_store *s)
{
    const char *error = kube_watch_error(s->pod_watch);

    return error[0] != '\0' ? error : kube_watch_error(s->node_watch);
}

/* -- questions -- */

const struct kube_pod *kube_store_pod(const struct kube_store *s, const char *name)
{
    struct pod_entry *e = find_pod(s, name);

    return e ? e->pod : NULL;
}

const struct kube_pod *kube_store_session(const struct kube_store *s, const char *session_id)
{
    struct pod_entry *e = find_session(s, session_id);

    return e ? e->pod : NULL;
}

uint64_t kube_store_version(const struct kube_store *s)
{
    return s->version;
}

size_t kube_store_pod_count(const struct kube_store *s)
{
    return HASH_COUNT(s->by_name);
}

size_t kube_store_node_count(const struct kube_store *s)
{
    return HASH_COUNT(s->nodes);
}

void kube_store_each_pod(const struct kube_store *s,
                         bool (*fn)(const struct kube_pod *p, void *user), void *user)
{
    struct pod_entry *e, *next;

    HASH_ITER (hh, s->by_name, e, next)
        if (!fn(e->pod, user))
            return;
}

void kube_store_each_node(const struct kube_store *s,
                          bool (*fn)(const struct kube_node *n, void *user), void *user)
{
    struct node_entry *e, *next;

    HASH_ITER (hh, s->nodes, e, next)
        if (!fn(e->node, user))
            return;
}
