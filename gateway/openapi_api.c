#include "gateway/openapi_api.h"

#include "base/json.h"
#include "gateway/api.h"
#include "gateway/api_document.h"
#include "gateway/request.h"
#include "http/http_reply.h"

void openapi_api_document(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct request *r = request_open(user, x, m, (struct slice){0}, REQUEST_OPEN);
    size_t count;
    if (!r)
        return;
    struct json_t *document = api_document_new();
    const struct http_route *routes = api_routes(&count);
    api_document_add(document, routes, count);
    routes = api_short_routes(&count);
    api_document_add(document, routes, count);
    api_document_finish(document);
    http_reply_header(x, "Cache-Control", "max-age=60");
    request_reply_json(r, 200, document);
}

/* All it needs is in it, and all it may reach is this gateway. */
void openapi_api_page(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct request *r = request_open(user, x, m, (struct slice){0}, REQUEST_OPEN);
    if (!r)
        return;
    http_reply_header(x, "Content-Security-Policy",
                      "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
                      "connect-src 'self'; form-action 'none'; frame-ancestors 'none'");
    http_reply_header(x, "Cache-Control", "max-age=60");
    request_reply(r, 200, "text/html; charset=utf-8",
                  (struct slice){(const char *)OPENAPI_DOCS, OPENAPI_DOCS_LEN});
}
