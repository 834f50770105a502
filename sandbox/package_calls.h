/* package_calls.h - the calls by which a gateway brings what the installer asks for: wanted, the
 * answer, why there is none. */
#pragma once
#include "http/http_dispatch.h"

void package_calls_wanted(struct http_exchange *x, const struct http_route_match *m, void *agent);
void package_calls_give(struct http_exchange *x, const struct http_route_match *m, void *agent);
void package_calls_refuse(struct http_exchange *x, const struct http_route_match *m, void *agent);
