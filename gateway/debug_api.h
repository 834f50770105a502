/* debug_api.h - the admin listener: metrics, and what a gateway knows. `user` is the gateway. */
#pragma once
#include "http/http_dispatch.h"

http_route_f debug_api_metrics;
http_route_f debug_api_sessions;
http_route_f debug_api_pods;
http_route_f debug_api_routes;
http_route_f debug_api_watermark;
http_route_f debug_api_config;
http_route_f debug_api_route; /* why would a session of this size go where? */
