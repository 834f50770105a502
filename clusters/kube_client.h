/* kube_client.h - the verbs of the Kubernetes API that Spillway uses, for one cluster.
 *
 * Callbacks: exactly once, never before the call returned; not after kube_call_cancel(). When a
 * call cannot be started the error comes through the callback as well, on the next turn, so callers
 * have one place. Errors:    result.err is NULL on 2xx. Otherwise code by the reply: 404
 * ERR_NOT_FOUND, 409 ERR_CONFLICT, 403 "exceeded quota" ERR_CAPACITY_FULL, 403
 * "RuntimeClass … not found" ERR_UNKNOWN_RUNTIME_CLASS, other 401/403 ERR_FORBIDDEN, 400/422
 * ERR_INVALID_ARGUMENT, 410 ERR_GONE, 429 ERR_OVERLOADED, 5xx and no answer ERR_UNAVAILABLE;
 * outcome_unknown is true when the request may have been carried out although no answer came. */
#pragma once
#include "base/err.h"
#include "base/slice.h"
#include <stdbool.h>
#include <stdint.h>

struct http_call_result;
struct http_caller;
struct loop;
struct json_t;
struct kube_client;
struct kube_transport;
struct world;
struct kube_call;
struct kube_clock;

struct kube_client_conf {
    const char *url;            /* "http://127.0.0.1:6443"; or NULL with kubeconfig set */
    const char *kubeconfig;     /* path, NULL-able; url wins; neither: see kubeconfig_find() */
    const char *namespace_name; /* where sandboxes live */
    int64_t call_ms;            /* total deadline of one call, default 10 s */
};

struct kube_result {
    int status;
    struct json_t *object; /* borrowed; the object or Status, NULL when there was none */
    bool outcome_unknown;
    int64_t retry_after_s;
    const struct err *err;
};
typedef void kube_done_f(const struct kube_result *r, void *user);

struct kube_client *kube_client_new(struct loop *l, struct http_caller *h,
                                    const struct kube_client_conf *conf,
                                    struct err *err) CHECK_RESULT;
void kube_client_free(struct kube_client **k);

/* How calls ended since the start; those of kube_watch are not among them. */
struct kube_counts {
    uint64_t done;       /* 2xx */
    uint64_t rejected;   /* 4xx: a conflict, a quota, not found */
    uint64_t failed;     /* 5xx, or what is no answer */
    uint64_t unanswered; /* no connection, or not in time */
};
const struct kube_counts *kube_client_counts(const struct kube_client *k);
const char *kube_client_namespace(const struct kube_client *k);
/* For kube_watch: time, and calls whose answers it reads itself. Borrowed. */
/* An answer of the server tells what time it is there. */
void kube_client_hear(struct kube_client *k, const struct http_call_result *r);
const struct kube_clock *kube_client_clock(const struct kube_client *k); /* borrowed */
struct world *kube_client_world(const struct kube_client *k);
struct kube_transport *kube_client_transport(const struct kube_client *k);

struct kube_call *kube_pod_create(struct kube_client *k, const struct json_t *pod,
                                  kube_done_f *done, void *user);
struct kube_call *kube_pod_get(struct kube_client *k, const char *name, kube_done_f *done,
                               void *user);
/* With preconditions.uid. 404 and a 409 on the uid are answered as errors; both mean: that
 * incarnation is gone. With a `version` (NULL-able) only as it was then: a 409 may also mean that
 * it has changed since (preconditions.resourceVersion). */
struct kube_call *kube_pod_delete(struct kube_client *k, const char *name, const char *uid,
                                  const char *version, int64_t grace_s, kube_done_f *done,
                                  void *user);
/* Merge patch (RFC 7396). For who cannot wait as long as calls may take: total_ms, if above 0. */
struct kube_call *kube_pod_patch(struct kube_client *k, const char *name,
                                 const struct json_t *patch, int64_t total_ms, kube_done_f *done,
                                 void *user);
void kube_call_cancel(struct kube_call **c);
