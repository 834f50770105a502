/* cni.h - a pod's network by CNI plugins (ptp with host-local), run as processes; no default route.
 *
 * Specification: CNI 0.4.0. Leases are files below <data_dir>/cni.
 * Callbacks: exactly once, never before the call returned, not at all when it failed. */
#pragma once
#include "base/err.h"
#include "base/loop.h"

struct cni {
    struct loop *loop;
    const char *bin_dir;
    const char *data_dir;
    const char *pod_cidr;
};

/* ip: "10.210.0.7", NULL on failure. */
typedef void cni_added_f(const char *ip, const struct err *err, void *user);
typedef void cni_removed_f(const struct err *err, void *user);

int cni_add(const struct cni *c, const char *container_id, const char *netns, cni_added_f *done,
            void *user, struct err *err) CHECK_RESULT;
/* netns "": it is gone already; its link went with it, the lease goes now. Idempotent. */
int cni_remove(const struct cni *c, const char *container_id, const char *netns,
               cni_removed_f *done, void *user, struct err *err) CHECK_RESULT;
