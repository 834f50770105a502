/* The way of a request: bytes, head, route, query. */
#include "gateway/api.h"
#include "gateway/session_id.h"
#include "http/http_dispatch.h"
#include "tests/fuzz/fuzz_http.h"

static void look(const struct http_head *head)
{
    struct http_route_match m;
    struct buf allow;
    struct err err;
    char text[64];
    int64_t number = 0;
    bool truth = false;
    int bad = 0;
    static struct http_routes routes;
    routes.rows = api_routes(&routes.count);
    buf_init(&allow, 256);
    if (http_dispatch_find(&routes, head->method, head->path, &m, &allow, &err) == 0)
        INVARIANT(m.route >= routes.rows && m.route < routes.rows + routes.count);
    buf_fini(&allow);
    if (http_query_get(head->query, "wait", text, sizeof(text), &bad))
        INVARIANT(memchr(text, '\0', sizeof(text)) != NULL);
    if (http_query_int(head->query, "limit", 1, 100, &number, &err) == 0)
        INVARIANT(number >= 0 && number <= 100);
    if (http_query_bool(head->query, "recreate", &truth, &err) == 0)
        INVARIANT(truth == false || truth == true);
    if (session_id_is_label(head->path))
        INVARIANT(head->path.len <= 63);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_http(HTTP_PARSE_REQUESTS, data, size, look);
    return 0;
}
