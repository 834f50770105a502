/* executions_list.h - GET …/executions and …/executions/{eid}, DELETE …/{eid}: what ran in a
 * session, from its agent while that is there, else from what is kept of it. `user` is the gateway.
 */
#pragma once
#include "http/http_dispatch.h"

http_route_f executions_list_all;
http_route_f executions_list_one;
