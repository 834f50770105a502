/* fake_store.h - a kube_store for programs that link without the real one: it holds what the
 * program puts into it, and whoever subscribed is told by the program itself. One a program. */
#pragma once
#include "clusters/kube_store.h"

static struct fake_store {
    struct kube_node *nodes;
    struct kube_pod **pods;
    size_t node_count, pod_count;
    bool known; /* listed, and the watch stands */
    kube_store_pod_f *pod_changed;
    kube_store_node_f *node_changed;
    void *user;
} fake_store = {.known = true};

bool kube_store_synced(const struct kube_store *s)
{
    (void)s;
    return fake_store.known;
}

bool kube_store_connected(const struct kube_store *s)
{
    (void)s;
    return fake_store.known;
}

void kube_store_subscribe(struct kube_store *s, kube_store_pod_f *fn, void *user)
{
    (void)s;
    fake_store.pod_changed = fn;
    fake_store.user = user;
}

void kube_store_subscribe_nodes(struct kube_store *s, kube_store_node_f *fn, void *user)
{
    (void)s;
    fake_store.node_changed = fn;
    fake_store.user = user;
}

void kube_store_each_pod(const struct kube_store *s,
                         bool (*fn)(const struct kube_pod *p, void *user), void *user)
{
    (void)s;
    for (size_t i = 0; i < fake_store.pod_count; i++)
        fn(fake_store.pods[i], user);
}

void kube_store_each_node(const struct kube_store *s,
                          bool (*fn)(const struct kube_node *n, void *user), void *user)
{
    (void)s;
    for (size_t i = 0; i < fake_store.node_count; i++)
        fn(&fake_store.nodes[i], user);
}

static inline void fake_store_tell_pod(const struct kube_pod *before, const struct kube_pod *after)
{
    fake_store.pod_changed(before, after, fake_store.user);
}

static inline void fake_store_tell_node(const struct kube_node *before,
                                        const struct kube_node *after)
{
    fake_store.node_changed(before, after, fake_store.user);
}
