/* http_dispatch.h - method and path to handler, by one table.
 *
 * A pattern is literal segments and {name} parameters: "/api/v1/sessions/{id}". A last
 * "{name...}" takes the rest of the path. Literal segments win over parameters, earlier rows
 * over later ones. Segments that route are taken raw: a percent sign, ".", ".." or an empty
 * segment in one is 400 (ERR_BAD_REQUEST), before any handler; a rest parameter is handed over
 * raw. No such path: ERR_NOT_FOUND. Path known, method not: ERR_METHOD_NOT_ALLOWED with Allow. */
#pragma once
#include "http/http_server.h"

#define HTTP_ROUTE_PARAMS_MAX 4

struct http_route_match;
typedef void http_route_f(struct http_exchange *x, const struct http_route_match *m, void *user);

struct http_route {
    enum http_method method; /* a GET row also serves HEAD */
    const char *pattern;
    http_route_f *handler;
    const char *name;    /* operation name: bounded, for metrics */
    const char *summary; /* one sentence, for the documentation */
};

/* A table of them. What its patterns say is worked out when it is first asked, and kept to the end
 * of the program. */
struct http_routes {
    const struct http_route *rows;
    size_t count;
    struct http_pattern *patterns; /* http_dispatch.c's */
};
#define HTTP_ROUTES(rows)                                                                          \
    {                                                                                              \
        (rows), ARRAY_LEN(rows), NULL                                                              \
    }

struct http_route_match {
    const struct http_route *route;
    struct slice params[HTTP_ROUTE_PARAMS_MAX]; /* in order of the pattern */
};

/* Finds and calls the handler, or ends the exchange with a problem. Returns the route, NULL when
 * none matched. */
const struct http_route *http_dispatch(struct http_routes *routes, struct http_exchange *x,
                                       void *user);
/* Pure part: fills *m. 0, or -ERR_NOT_FOUND, -ERR_METHOD_NOT_ALLOWED (`allow` filled),
 * -ERR_BAD_REQUEST. */
int http_dispatch_find(struct http_routes *routes, enum http_method method, struct slice path,
                       struct http_route_match *m, struct buf *allow, struct err *err) CHECK_RESULT;
