/* kube_store.h - what the cluster holds, as last seen: all pods of the sandbox namespace and all
 * nodes, fed by two watches.
 *
 * Ownership: the store owns the pods and nodes; a pointer is valid until the next turn of the loop.
 * Subscribers are told of each change once, with the pod before and after; `before` NULL: new,
 * `after` NULL: gone. Never before kube_store_new() returned. */
#pragma once
#include "clusters/kube_object.h"
#include <stddef.h>

struct kube_client;
struct kube_store;
struct loop;
typedef void kube_store_pod_f(const struct kube_pod *before, const struct kube_pod *after,
                              void *user);
typedef void kube_store_node_f(const struct kube_node *before, const struct kube_node *after,
                               void *user);

struct kube_store *kube_store_new(struct loop *l, struct kube_client *k) CHECK_RESULT;
void kube_store_free(struct kube_store **s);
void kube_store_subscribe(struct kube_store *s, kube_store_pod_f *fn, void *user);
void kube_store_subscribe_nodes(struct kube_store *s, kube_store_node_f *fn, void *user);
bool kube_store_synced(const struct kube_store *s); /* both first lists are complete */
bool kube_store_connected(const struct kube_store *s);
const char *kube_store_error(
    const struct kube_store *s); /* why it is not connected, for people; "" when nothing is wrong */

const struct kube_pod *kube_store_pod(const struct kube_store *s, const char *name);
/* By the label spillway.dev/session. */
const struct kube_pod *kube_store_session(const struct kube_store *s, const char *session_id);
/* Who creates, gets or deletes puts the answer in at once; older resourceVersions than what is
 * there are ignored. Returns what is known of that pod now: the watch may have overtaken the
 * answer. NULL: it is gone, or the answer is no pod. */
const struct kube_pod *kube_store_learn(struct kube_store *s, const struct json_t *pod);
void kube_store_forget(struct kube_store *s, const char *name, const char *uid);

/* Grows with every change of a pod or node; never 0. What is computed from the store stays good
 * while it stands still. */
uint64_t kube_store_version(const struct kube_store *s);

size_t kube_store_pod_count(const struct kube_store *s);
size_t kube_store_node_count(const struct kube_store *s);
/* Iteration: fn returns false to stop. The store may not be changed from within. */
void kube_store_each_pod(const struct kube_store *s,
                         bool (*fn)(const struct kube_pod *p, void *user), void *user);
void kube_store_each_node(const struct kube_store *s,
                          bool (*fn)(const struct kube_node *n, void *user), void *user);
