/* session_sync.h - keeps the table of sessions in step with the cluster's pods, as the store shows
 * them. */
#pragma once

struct gateway;

/* Subscribes to the gateway's store; for its life. */
void session_sync_start(struct gateway *g);
