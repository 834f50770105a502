/* kube_usage_table.h - what nodes really use, as metrics-server says: the newest measurement of
 * each; pure.
 *
 * A node's measurement is replaced by one with a newer timestamp only (several replicas of
 * metrics-server answer in turn), unless the old one is too old to count anyway. Its age is its lag
 * when it arrived, plus the time since by our monotonic clock: later steps of a wall clock do not
 * matter. An item with a bad quantity, time or window is refused by itself; the rest counts.
 * Source: k8s.io/metrics v1beta1, NodeMetricsList. */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_t;
struct kube_usage_table;

struct kube_usage_sample {
    int64_t millicpu;
    int64_t memory_bytes;
    int64_t wall_ms; /* its timestamp: the window's end */
    int64_t window_ms;
};

/* Of one list. */
struct kube_usage_tally {
    int newer, same_or_older, refused;
};

#define KUBE_USAGE_NODES_MAX 20000

struct kube_usage_table *kube_usage_table_new(void) CHECK_RESULT;
void kube_usage_table_free(struct kube_usage_table **t);
/* ERR_KUBERNETES: it is no list at all. */
int kube_usage_table_take(struct kube_usage_table *t, const struct json_t *list, int64_t now_ms,
                          int64_t wall_ms, struct kube_usage_tally *out,
                          struct err *err) CHECK_RESULT;
/* NULL: never measured. */
const struct kube_usage_sample *kube_usage_table_get(const struct kube_usage_table *t,
                                                     const char *node, int64_t now_ms,
                                                     int64_t *age_ms);
/* Of an age that still counts: three windows, 90 s at least. */
bool kube_usage_fresh(const struct kube_usage_sample *s, int64_t age_ms);
size_t kube_usage_table_count(const struct kube_usage_table *t);
/* "30s", "15.012s", "1m0s", as Go prints durations; false when unreadable, negative or above a day.
 */
bool kube_usage_window_parse(const char *text, int64_t *out_ms);
