/* agent_api.h - the agent's calls (docs/agent-api.md): one table, the token before everything but
 * health. */
#pragma once
#include "sandbox/agent.h"

/* An http_handler_f; `user` is the agent. */
void agent_api_serve(struct http_exchange *x, void *user);
