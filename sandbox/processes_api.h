/* processes_api.h - the agent's calls on processes (docs/agent-api.md). `user` is the agent. */
#pragma once
#include "http/http_dispatch.h"

http_route_f processes_api_list;
http_route_f processes_api_kill;
