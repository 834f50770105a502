#include "gateway/processes_api.h"

#include "gateway/sandbox_call.h"

#define READY_MS  3000
#define ANSWER_MS 5000

void processes_api_list(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    static const struct sandbox_call CALL = {"/v1/processes", READY_MS, ANSWER_MS, 2 * ANSWER_MS,
                                             false};
    sandbox_call_start(x, m, user, &CALL, (struct slice){0});
}

void processes_api_kill(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    static const struct sandbox_call CALL = {"/v1/process/kill/", READY_MS, ANSWER_MS, ANSWER_MS,
                                             false};
    sandbox_call_start(x, m, user, &CALL, m->params[1]);
}
