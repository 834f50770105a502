/* processes_api.h - a session's processes. `user` is the gateway. */
#pragma once
#include "http/http_dispatch.h"

http_route_f processes_api_list;
http_route_f processes_api_kill;
