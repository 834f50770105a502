/* executions_api.h - the calls that run code and read what came of it. `user` is the
 * gateway. */
#pragma once
#include "http/http_dispatch.h"

http_route_f executions_api_exec; /* POST …/exec/{language} */
http_route_f
    executions_api_execute; /* POST …/execute: language in the body, answers with the result */

http_route_f executions_api_run;      /* POST /api/run: in a session of its own */
http_route_f executions_api_run_sync; /* POST /api/run/sync: answers with the result */

/* results_api.c */
http_route_f executions_api_result;
http_route_f executions_api_stdin;
