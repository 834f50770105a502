/* event_watchers.h - replies that stream an execution's events for as long as it runs, each at the
 * pace of its client.
 *
 * A watcher keeps no copy of what it tells: it goes on from its cursor when the client has taken
 * what waits, so a slow one costs HTTP_REPLY_HIGH_WATER and one event. A comment every 15 s shows
 * that the stream lives. Loop: all on the loop. */
#pragma once
#include "http/http_server.h"
#include "sandbox/execution.h"

#define EVENT_WATCHERS_MAX 16
#define EVENT_PING_MS      15000

struct event_watchers;

struct event_watchers *event_watchers_new(struct loop *l) CHECK_RESULT;
/* Takes the exchange and holds the execution. ERR_QUOTA_EXCEEDED: too many; then neither. */
int event_watchers_add(struct event_watchers *w, struct http_exchange *x, struct execution *e,
                       const struct event_cursor *from, struct err *err) CHECK_RESULT;
/* Something was written, or ended. */
void event_watchers_wake(struct event_watchers *w);
