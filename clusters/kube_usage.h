/* kube_usage.h - asks metrics-server again and again what the nodes really use
 * (/apis/metrics.k8s.io/v1beta1/nodes; it has no watch).
 *
 * Loop: `changed` runs on the loop after each poll, good or bad; never before kube_usage_new()
 * returned. */
#pragma once
#include "clusters/kube_usage_table.h"

struct kube_client;
struct kube_usage;

struct kube_usage_conf {
    int64_t interval_ms; /* between the begin of two polls; 0: 10 s */
    int64_t call_ms;     /* deadline of one; 0: 5 s */
};
typedef void kube_usage_f(void *user);

struct kube_usage *kube_usage_new(struct kube_client *k, const struct kube_usage_conf *conf,
                                  kube_usage_f *changed, void *user) CHECK_RESULT;
void kube_usage_free(struct kube_usage **u);
/* A node's newest measurement if it is fresh, else NULL. */
const struct kube_usage_sample *kube_usage_get(const struct kube_usage *u, const char *node,
                                               int64_t *age_ms);
/* Grows with each poll that brought anything newer. */
uint64_t kube_usage_stamp(const struct kube_usage *u);
/* What was wrong with the last poll, for people; "" when nothing. */
const char *kube_usage_error(const struct kube_usage *u);
