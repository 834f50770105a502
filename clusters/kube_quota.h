/* kube_quota.h - what ResourceQuotas allow in the sandbox namespace; asked again and again, as they
 * change rarely.
 *
 * Only hard limits are read: what is used is known better from the pods themselves. A server
 * without quotas, or one that does not let us see them, limits nothing; a pod that a quota refuses
 * is then news from its create. Loop:      never calls back. */
#pragma once
#include "clusters/kube_object.h"

struct kube_client;
struct kube_quota;

struct kube_quota *kube_quota_new(struct kube_client *k, int64_t interval_ms) CHECK_RESULT;
void kube_quota_free(struct kube_quota **q);
/* What all pods of the namespace may ask for together; INT64_MAX where nothing limits it. */
const struct kube_resources *kube_quota_hard(const struct kube_quota *q);

/* -- the pure part -- */

/* The least of all quotas of a ResourceQuotaList that count sandbox pods: by scope Terminating and
 * NotBestEffort, or none. A quantity that cannot be read limits nothing. */
void kube_quota_read(const struct json_t *list, struct kube_resources *hard);
