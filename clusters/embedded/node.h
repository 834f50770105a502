/* node.h - the machine as a cluster of one: its objects, the scheduler's rounds, and a worker for
 * each pod.
 *
 * Ownership: node_new() gives; node_free() leaves what runs running.
 * Loop:      all on the loop. */
#pragma once
#include "base/err.h"
#include "base/loop.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct json_t;
struct node;
struct node_config;
struct object_store;

struct node *node_new(struct loop *l, const struct node_config *config,
                      struct object_store *store) CHECK_RESULT;
void node_free(struct node **n);
/* A pod is being started or taken down: not to be freed. */
bool node_busy(const struct node *n);
struct loop *node_loop(const struct node *n);
const struct node_config *node_config_of(const struct node *n);
struct object_store *node_store(const struct node *n);

/* The store has news: from its callback. */
void node_changed(struct node *n);

/* Node and namespace objects. Before the API listens. */
int node_make_objects(struct node *n, struct err *err) CHECK_RESULT;

/* Takes a checked pod, stores it as Pending and lets the scheduler look at it in the next turn. */
int node_create_pod(struct node *n, struct json_t *pod, struct err *err) CHECK_RESULT;
/* Marks it with deletionTimestamp and stops it. The object goes when nothing of it is left. */
int node_delete_pod(struct node *n, const struct json_t *pod, int64_t grace_s,
                    struct err *err) CHECK_RESULT;
/* Stores a patched copy (taken). */
int node_update_pod(struct node *n, struct json_t *pod, struct err *err) CHECK_RESULT;
/* See pod_worker_log(). */
bool node_pod_log(const struct node *n, const struct json_t *pod, const char *container, int *fd,
                  bool *started);

/* Gives every pod on disk its worker again; what node_recover found alive is adopted. */
void node_resume_pods(struct node *n);
/* Deletes all pods; `done` when the last is gone. */
void node_remove_all_pods(struct node *n, loop_f *done, void *user);
