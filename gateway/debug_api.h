/* debug_api.h - the admin listener: metrics, and what a gateway knows. `user` is the gateway. */
#pragma once
#include "http/http_dispatch.h"

struct gateway;
struct json_t;
struct session;

/* What this gateway knows of a session, beyond its public view; given. */
struct json_t *debug_api_session(const struct gateway *g, struct session *s) CHECK_RESULT;

http_route_f debug_api_metrics;
http_route_f debug_api_sessions;
http_route_f debug_api_pods;
http_route_f debug_api_routes;
http_route_f debug_api_watermark;
http_route_f debug_api_config;
http_route_f debug_api_route; /* why would a session of this size go where? */
