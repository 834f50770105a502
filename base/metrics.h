/* metrics.h - counters, gauges and histograms, printed in Prometheus' text format 0.0.4.
 *
 * A family is declared once with its labels' names; a child exists from its first use. Cardinality
 * is bounded: a family takes 64 children, what comes beyond is counted under the label values
 * "other". Ownership: the registry owns all; handles are borrowed and live as long as it. */
#pragma once
#include "base/buf.h"
#include "base/cc.h"
#include <stdint.h>

struct metrics;
struct metric_family;
struct metric;
enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metrics *metrics_new(void) CHECK_RESULT;
void metrics_free(struct metrics **m);

/* `labels`: comma separated names or "". `buckets`: upper bounds, histograms only, NULL-able,
 * `bucket_count` of them. */
struct metric_family *metrics_family(struct metrics *m, enum metric_type type, const char *name,
                                     const char *help, const char *labels, const double *buckets,
                                     int bucket_count);
/* The child with these label values (as many as there are labels, in order). */
struct metric *metric_with(struct metric_family *f, ...);
void metric_add(struct metric *c, double by);        /* counter, gauge */
void metric_set(struct metric *c, double value);     /* gauge */
void metric_observe(struct metric *c, double value); /* histogram */
double metric_value(const struct metric *c);         /* counter, gauge; histogram: count */
void metrics_print(const struct metrics *m, struct buf *out);
/* The families as a Markdown table, for the documentation. */
void metrics_print_markdown(const struct metrics *m, struct buf *out);

/* Bounds in seconds from 1 ms to 60 s, for latencies. */
extern const double METRICS_LATENCY_BUCKETS[];
extern const int METRICS_LATENCY_BUCKET_COUNT;
