/* kube_known.h - which objects a watch has shown so far, so that a list tells what was missed.
 * Pure. A name that comes back with another uid is another object. */
#pragma once
#include "base/cc.h"
#include <stddef.h>

struct kube_known;

/* What makes an object this one, in this state. Borrowed texts, "" when absent. */
struct kube_identity {
    const char *namespace_name;
    const char *name;
    const char *uid;
    const char *version;
};

enum kube_known_change { KUBE_KNOWN_NEW, KUBE_KNOWN_CHANGED, KUBE_KNOWN_SAME };
typedef void kube_known_f(const struct kube_identity *gone, void *user);

struct kube_known *kube_known_new(void) CHECK_RESULT;
void kube_known_free(struct kube_known **k);
/* Tells by `gone` of the object whose name this one has taken over, before it answers NEW. */
enum kube_known_change kube_known_put(struct kube_known *k, const struct kube_identity *id,
                                      kube_known_f *gone, void *user);
void kube_known_remove(struct kube_known *k,
                       const struct kube_identity *id); /* only with the same uid */
void kube_known_begin_list(struct kube_known *k);
/* Forgets what was not put since kube_known_begin_list(), telling of each. */
void kube_known_end_list(struct kube_known *k, kube_known_f *gone, void *user);
size_t kube_known_count(const struct kube_known *k);
