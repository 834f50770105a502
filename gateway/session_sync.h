/* session_sync.h - keeps the table of sessions in step with the cluster's pods, as the store shows
 * them. */
#pragma once

struct gateway;

/* Subscribes to the gateway's store; for its life. */
void session_sync_start(struct gateway *g);
/* Takes up the pod of this id, if there is one, that was passed by while a placement worked on the
 * id. */
void session_sync_again(struct gateway *g, const char *id);
