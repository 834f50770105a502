/* api.h - the one table of calls: method, path, handler, name, what it does; both spellings of the
 * same handlers. */
#pragma once
#include "http/http_dispatch.h"

/* For http_server_new(); `user` is the gateway. */
http_handler_f api_serve;       /* clients */
http_handler_f api_serve_admin; /* operators */

/* The table, for the documentation. */
const struct http_route *api_routes(size_t *count);
/* Of paths that begin with a session's id. */
const struct http_route *api_short_routes(size_t *count);
