#include "gateway/processes_api.h"

#include "gateway/sandbox_call.h"

#define READY_MS  3000
#define ANSWER_MS 5000

void processes_api_list(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    static const struct sandbox_call CALL = {.path = "/v1/processes",
                                             .ready_ms = READY_MS,
                                             .head_ms = ANSWER_MS,
                                             .total_ms = 2 * ANSWER_MS};
    sandbox_call_start(x, m, user, &CALL, (struct slice){0});
}

void processes_api_kill(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    static const struct sandbox_call CALL = {.path = "/v1/process/kill/",
                                             .ready_ms = READY_MS,
                                             .head_ms = ANSWER_MS,
                                             .total_ms = ANSWER_MS};
    sandbox_call_start(x, m, user, &CALL, m->params[1]);
}
