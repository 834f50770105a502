/* edge_sync.h - keeps the site's list of placements on their way (router/edge_reservations) true:
 * what this gateway saw come and go is on its way no more.
 *
 * A placement's key is session and epoch: the same session may be placed again. */
#pragma once
#include <stdbool.h>

struct gateway;
struct kube_pod;
struct session;

#define EDGE_KEY_SIZE 128

/* Subscribes to the store. */
void edge_sync_start(struct gateway *g);
void edge_sync_key(const struct session *s, char out[EDGE_KEY_SIZE]);
/* The placement's pod is in the store, and takes room there. */
bool edge_sync_sees(const struct gateway *g, const char *key);
