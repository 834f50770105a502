/* process_calls.h - the agent's calls on processes (docs/agent-api.md). `user` is the agent. */
#pragma once
#include "http/http_dispatch.h"

http_route_f process_calls_list;
http_route_f process_calls_kill;
