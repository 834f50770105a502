/* contexts_api.h - the calls about interpreters that keep their variables: passed on
 * to the session's agent, which keeps them. They never make a session. `user` is the gateway. */
#pragma once
#include "http/http_dispatch.h"

http_route_f contexts_api_all; /* GET and POST …/contexts */
http_route_f contexts_api_one; /* GET and DELETE …/contexts/{cid} */
