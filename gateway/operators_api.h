/* operators_api.h - health, environments, sites and watermark for whoever runs or uses the site.
 * `user` is the gateway. */
#pragma once
#include "http/http_dispatch.h"

http_route_f operators_api_healthz;
http_route_f operators_api_readyz;
http_route_f operators_api_environments;
http_route_f operators_api_sites;
http_route_f operators_api_watermark;
