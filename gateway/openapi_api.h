/* openapi_api.h - the calls that describe the calls. `user` is the gateway. */
#pragma once
#include "http/http_dispatch.h"

http_route_f openapi_api_document; /* GET /openapi.json */
http_route_f openapi_api_page;     /* GET /docs */
