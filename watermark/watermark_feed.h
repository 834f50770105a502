/* watermark_feed.h - snapshots of the local cluster from the store: the only impure part of
 * watermark/. Ownership: the feed owns the snapshot; a pointer is valid until the next call. */
#pragma once
#include "watermark/snapshot.h"

struct kube_store;
struct world;
struct watermark_feed;

struct watermark_feed *watermark_feed_new(struct world *w, struct kube_store *s) CHECK_RESULT;
void watermark_feed_free(struct watermark_feed **f);
const struct snapshot *watermark_feed_take(struct watermark_feed *f);
/* Feedback from the cluster (Unschedulable, quota): hold for 5 s, doubling to 60 s; reset by
 * watermark_feed_bound(). */
void watermark_feed_refused(struct watermark_feed *f);
void watermark_feed_bound(struct watermark_feed *f);
