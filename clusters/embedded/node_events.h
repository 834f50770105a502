/* node_events.h - the Event objects that `kubectl describe` and `get events` show, made from what
 * happens to pods, in the words and under the names of kube-scheduler and kubelet.
 *
 * They follow the store's history like a watch, so whoever changes a pod need not think of them.
 * At most NODE_EVENTS_MAX are kept, none longer than an hour; the same thing said again counts up.
 * Ownership: node_events_new() gives; borrows config and store.
 * Loop:      on the loop; events come a turn after what they tell of. */
#pragma once
#include "base/cc.h"
#include "base/loop.h"
#include "clusters/embedded/object_store.h"

#define NODE_EVENTS_MAX 1000

struct node_config;
struct node_events;

struct node_events *node_events_new(struct loop *l, const struct node_config *config,
                                    struct object_store *store) CHECK_RESULT;
void node_events_free(struct node_events **e);
/* The store has news. */
void node_events_wake(struct node_events *e);
/* Of the node itself. */
void node_events_of_node(struct node_events *e, const char *reason, const char *message);

/* -- the pure part -- */

struct node_event {
    const char *reason;
    bool warning, scheduler; /* said by kube-scheduler; else by kubelet */
    char field[120];         /* "spec.containers{main}", "" */
    char message[700];
};
typedef void node_events_f(const struct node_event *event, void *user);
/* What a pod's change tells, in order. before: NULL when it is new. */
void node_events_compare(const struct json_t *before, const struct json_t *now,
                         const char *node_name, node_events_f *fn, void *user);
