/* events_api.h - an execution as server-sent events: from its agent while that is
 * there, then from its record, with the same numbers. */
#pragma once
#include "http/http_dispatch.h"

http_route_f events_api_events; /* GET …/events; `user` is the gateway */
