/* remote_sync.h - what a gateway keeps in order about other sites: it makes the parts that talk to
 * them, and brings route records back after Redis lost them, by asking. */
#pragma once
#include "base/err.h"

struct gateway;
struct gateway_config;
struct remote_sync;

int remote_sync_read_tokens(struct gateway_config *c, struct err *err) CHECK_RESULT;
/* remotes, routes, deletes of the gateway; before the first request. */
void remote_sync_open(struct gateway *g);
void remote_sync_close(struct gateway *g);
