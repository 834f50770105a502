#include "gateway/contexts_api.h"

#include "gateway/request.h"
#include "gateway/sandbox_call.h"

#define CALL_MS 10000

static const struct sandbox_call ALL = {
    .path = "/v1/contexts", .head_ms = CALL_MS, .total_ms = CALL_MS, .body_max = 16 * 1024};
static const struct sandbox_call ONE = {
    .path = "/v1/contexts/", .head_ms = CALL_MS, .total_ms = CALL_MS};

void contexts_api_all(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct request *r = request_open(user, x, m, m->params[0], REQUEST_TENANT | REQUEST_READY);
    struct err err;
    if (!r)
        return;
    if (request_check_json(r, &err) < 0)
        request_problem(r, &err);
    else
        sandbox_call_go(r, &ALL, (struct slice){NULL, 0});
}

void contexts_api_one(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct request *r = request_open_named(user, x, m, "a context id");
    if (r)
        sandbox_call_go(r, &ONE, m->params[1]);
}
