/* debug_states.h - the admin listener: state machines as tables, and where a session stands in its
 * own. `user` is the gateway. */
#pragma once
#include "http/http_dispatch.h"

http_route_f debug_states_tables;
http_route_f debug_states_session;
