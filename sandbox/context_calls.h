/* context_calls.h - the agent's calls about contexts. */
#pragma once
#include "http/http_dispatch.h"

void context_calls_create(struct http_exchange *x, const struct http_route_match *m, void *agent);
void context_calls_list(struct http_exchange *x, const struct http_route_match *m, void *agent);
void context_calls_get(struct http_exchange *x, const struct http_route_match *m, void *agent);
void context_calls_delete(struct http_exchange *x, const struct http_route_match *m, void *agent);
