/* event_calls.h - an execution as server-sent events. */
#pragma once
#include "http/http_dispatch.h"

void event_calls_events(struct http_exchange *x, const struct http_route_match *m, void *agent);
