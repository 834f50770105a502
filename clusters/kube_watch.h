/* kube_watch.h - list + watch of one resource, for ever: LISTING → WATCHING → BACKOFF → …, with
 * resourceVersion, bookmarks, 410 → relist, an idle limit of its own, pages of lists, Retry-After.
 * What was missed during a relist is synthesised as deletions. Source: Kubernetes API concepts,
 * "Efficient detection of changes"; values as client-go's reflector.
 *
 * Loop: all callbacks on the loop, never before kube_watch_start() returned. kube_watch_free() not
 * from within them. */
#pragma once
#include "base/err.h"
#include "base/fsm.h"
#include <stdbool.h>
#include <stdint.h>

struct kube_client;
struct kube_watch;
struct json_t;

extern const struct fsm_table KUBE_WATCH_FSM;

enum kube_event { KUBE_ADDED, KUBE_MODIFIED, KUBE_DELETED };

struct kube_watch_events {
    /* `object` is borrowed. DELETED that was only missed carries the last known name and uid:
     * {"metadata":{"name","namespace","uid"}}. */
    void (*on_event)(enum kube_event what, const struct json_t *object, void *user);
    /* The first list, and each relist, is complete. */
    void (*on_synced)(void *user);
};

struct kube_watch_conf {
    const char *path;           /* "/api/v1/nodes", "/api/v1/namespaces/NS/pods" */
    const char *label_selector; /* NULL-able */
    int64_t idle_ms;            /* no byte for so long: reconnect; default 60 s */
};

struct kube_watch *kube_watch_new(struct kube_client *k, const struct kube_watch_conf *conf,
                                  const struct kube_watch_events *events, void *user) CHECK_RESULT;
void kube_watch_start(struct kube_watch *w);
void kube_watch_free(struct kube_watch **w);
bool kube_watch_synced(const struct kube_watch *w); /* the first list is complete */
/* A watch (or list) is in good order right now, and has shown what happened while it was not. */
bool kube_watch_connected(const struct kube_watch *w);
int64_t kube_watch_last_event_ms(const struct kube_watch *w); /* monotonic; any byte of it */
const char *kube_watch_state(const struct kube_watch *w);
const char *kube_watch_error(
    const struct kube_watch *w); /* what went wrong last, for people; "" when in good order */
/* How far we have seen; in on_synced: the version of the list. "" before the first list is
 * complete. */
const char *kube_watch_version(const struct kube_watch *w);
