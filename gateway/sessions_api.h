/* sessions_api.h - the calls that make, show and end sessions. `user` is the
 * gateway. */
#pragma once
#include "http/http_dispatch.h"

http_route_f sessions_api_create;       /* POST /api/v1/sessions: cleanup idle */
http_route_f sessions_api_create_short; /* POST /{id}: cleanup completion */
http_route_f sessions_api_list;
http_route_f sessions_api_get;
http_route_f sessions_api_delete;
http_route_f sessions_api_extend;
