/* watermark_feed.h - the room and the level of the local site, kept up to date from the store and
 * from metrics-server: the only impure part of watermark/.
 *
 * Ownership: borrows the store and the reservations, owns the rest.
 * Loop:      it subscribes to the store before anybody else should, so that whoever is told of a
 * pod finds it counted. The level moves at each question, each poll and each second. */
#pragma once
#include "watermark/capacity.h"
#include "watermark/site_usage.h"
#include "watermark/snapshot.h"

struct kube_client;
struct kube_store;
struct reservations;
struct world;
struct watermark_feed;

struct watermark_feed_conf {
    const char *site; /* for the log */
    struct level_conf level;
    bool usage; /* ask metrics-server */
    int64_t usage_interval_ms;
    struct kube_resources shape; /* of the usual sandbox: the level counts slots of it */
};

/* `k` is asked for quotas and measurements; NULL: there is nobody to ask, and conf->usage is false.
 */
struct watermark_feed *watermark_feed_new(struct world *w, struct kube_store *s,
                                          struct kube_client *k, struct reservations *r,
                                          const struct watermark_feed_conf *conf) CHECK_RESULT;
void watermark_feed_free(struct watermark_feed **f);

void watermark_feed_take(struct watermark_feed *f, const struct kube_resources *shape,
                         struct snapshot *out);
/* A session was let in here: it takes a place in the queue of the probes, if there is one. */
void watermark_feed_admitted(struct watermark_feed *f, const char *session_id);
/* … and its create came to nothing. */
void watermark_feed_dropped(struct watermark_feed *f, const char *session_id);
/* Feedback from the cluster (quota, admission, Unschedulable). Pods that turn Unschedulable in the
 * store are noticed here without being told. */
void watermark_feed_refused(struct watermark_feed *f);

/* -- for people and graphs -- */
int64_t watermark_feed_slots_total(const struct watermark_feed *f,
                                   const struct kube_resources *shape);
const struct capacity_totals *watermark_feed_totals(const struct watermark_feed *f);
const struct level *watermark_feed_level(const struct watermark_feed *f);
bool watermark_feed_measures(const struct watermark_feed *f); /* measurements are asked for */
/* What is measured now; its age grows between two polls. */
void watermark_feed_usage(const struct watermark_feed *f, struct site_usage *out);
const char *watermark_feed_usage_error(const struct watermark_feed *f); /* "" when nothing */
