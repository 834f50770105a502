/* api_server.h - the Kubernetes API of the embedded node over HTTP/1.1: paths to handlers.
 *
 * What is not here is refused with a Status (404, 405, 415, 422), never approximated.
 * Ownership: api_server_new() gives; it takes no ownership of the node.
 * No authentication: the listeners are loopback addresses, unix sockets or sockets that the
 * launcher handed over. */
#pragma once
#include "base/err.h"
#include "base/loop.h"

struct api_server;
struct node;

struct api_server *api_server_new(struct node *n) CHECK_RESULT;
/* All configured addresses and the inherited socket called "api". ERR_CONFIG when there is none. */
int api_server_listen(struct api_server *s, struct err *err) CHECK_RESULT;
void api_server_free(struct api_server **s);
/* From the store's change callback. */
void api_server_wake(struct api_server *s);
