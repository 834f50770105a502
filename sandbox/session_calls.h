/* session_calls.h - the calls about the session as a whole: health, start, deadline, activity,
 * quiesce. */
#pragma once
#include "http/http_dispatch.h"

void session_calls_health(struct http_exchange *x, const struct http_route_match *m, void *agent);
void session_calls_start(struct http_exchange *x, const struct http_route_match *m, void *agent);
void session_calls_deadline(struct http_exchange *x, const struct http_route_match *m, void *agent);
void session_calls_activity(struct http_exchange *x, const struct http_route_match *m, void *agent);
void session_calls_quiesce(struct http_exchange *x, const struct http_route_match *m, void *agent);
