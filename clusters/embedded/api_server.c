#include "clusters/embedded/api_server.h"
#include "base/mem.h"
#include "clusters/embedded/api_request.h"
#include "clusters/embedded/api_status.h"
#include "clusters/embedded/log_streams.h"
#include "clusters/embedded/names.h"
#include "clusters/embedded/node.h"
#include "clusters/embedded/node_config.h"
#include "clusters/embedded/usage.h"
#include "clusters/embedded/watch_streams.h"
#include "http/http_dispatch.h"
#include "http/http_reply.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define METRICS  "/apis/metrics.k8s.io/v1beta1"
#define NODE_K8S "/apis/node.k8s.io/v1"

struct api_server {
    struct node *node;
    struct http_server *http;
    struct watch_streams *watches;
    struct log_streams *logs;
    struct usage *usage;
};

#define READ(name, kind)                                                                           \
    static void name##_get(struct api_request *r)                                                  \
    {                                                                                              \
        api_objects_get(r, kind);                                                                  \
    }                                                                                              \
    static void name##_list(struct api_request *r)                                                 \
    {                                                                                              \
        api_objects_list_or_watch(r, kind);                                                        \
    }

READ(namespaces, OBJECT_NAMESPACE)
READ(nodes, OBJECT_NODE)
READ(pods, OBJECT_POD)
READ(events, OBJECT_EVENT)
READ(runtime_classes, OBJECT_RUNTIME_CLASS)

/* kubectl auth can-i: an answer would be a promise that nobody keeps here. */
static void refuse_review(struct api_request *r)
{
    api_status_reply(r->exchange, API_NOT_FOUND, NULL,
                     "this node has no authorization: whoever reaches it may do all that it has");
}

/* Path to handler. Segments: ns a namespace, name an object; in this order where both are there. */
static const struct {
    enum http_method method;
    const char *pattern;
    api_request_f *handler;
    bool in_namespace, named;
} rows[] = {
    {HTTP_METHOD_GET, "/api/v1/namespaces", namespaces_list, false, false},
    {HTTP_METHOD_POST, "/api/v1/namespaces", api_namespaces_create, false, false},
    {HTTP_METHOD_GET, "/api/v1/namespaces/{name}", namespaces_get, false, true},
    {HTTP_METHOD_GET, "/api/v1/nodes", nodes_list, false, false},
    {HTTP_METHOD_GET, "/api/v1/nodes/{name}", nodes_get, false, true},
    {HTTP_METHOD_GET, "/api/v1/pods", pods_list, false, false},
    {HTTP_METHOD_GET, "/api/v1/events", events_list, false, false},
    {HTTP_METHOD_GET, "/api/v1/namespaces/{ns}/pods", pods_list, true, false},
    {HTTP_METHOD_POST, "/api/v1/namespaces/{ns}/pods", api_pods_create, true, false},
    {HTTP_METHOD_GET, "/api/v1/namespaces/{ns}/pods/{name}", pods_get, true, true},
    {HTTP_METHOD_DELETE, "/api/v1/namespaces/{ns}/pods/{name}", api_pods_delete, true, true},
    {HTTP_METHOD_PATCH, "/api/v1/namespaces/{ns}/pods/{name}", api_pods_patch, true, true},
    {HTTP_METHOD_GET, "/api/v1/namespaces/{ns}/pods/{name}/log", api_logs_read, true, true},
    {HTTP_METHOD_GET, "/api/v1/namespaces/{ns}/events", events_list, true, false},
    {HTTP_METHOD_GET, "/api/v1/namespaces/{ns}/events/{name}", events_get, true, true},
    {HTTP_METHOD_GET, NODE_K8S "/runtimeclasses", runtime_classes_list, false, false},
    {HTTP_METHOD_GET, NODE_K8S "/runtimeclasses/{name}", runtime_classes_get, false, true},
    {HTTP_METHOD_POST, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", refuse_review,
     false, false},
    {HTTP_METHOD_POST, "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", refuse_review,
     false, false},
    {HTTP_METHOD_GET, METRICS "/nodes", api_usage_nodes, false, false},
    {HTTP_METHOD_GET, METRICS "/nodes/{name}", api_usage_node, false, true},
    {HTTP_METHOD_GET, METRICS "/pods", api_usage_pods, false, false},
    {HTTP_METHOD_GET, METRICS "/namespaces/{ns}/pods", api_usage_pods, true, false},
    {HTTP_METHOD_GET, METRICS "/namespaces/{ns}/pods/{name}", api_usage_pod, true, true},
};

static struct http_route filled[ARRAY_LEN(rows)];
static struct http_routes routes = HTTP_ROUTES(filled);

/* http_dispatch's table, of which only the pure part is used: its own replies are problems, ours
 * are Status objects. */
static void fill_routes(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        filled[i].method = rows[i].method;
        filled[i].pattern = rows[i].pattern;
    }
}

static bool take(char *out, size_t size, struct slice value)
{
    snprintf(out, size, "%.*s", (int)(value.len < size ? value.len : size - 1), value.at);
    return value.len < size && names_is_subdomain(out);
}

/* Names that no object can have are not found, whatever they are. */
static bool take_names(struct api_request *r, size_t row, const struct http_route_match *m)
{
    bool good = true;
    unsigned next = 0;

    if (rows[row].in_namespace)
        good = take(r->namespace_name, sizeof r->namespace_name, m->params[next++]);
    if (rows[row].named)
        good = take(r->name, sizeof r->name, m->params[next]) && good;
    return good;
}

static void refuse(struct http_exchange *x, int rc, struct buf *allow, const struct err *err)
{
    if (rc == -(int)ERR_METHOD_NOT_ALLOWED) {
        http_reply_header(x, "Allow", buf_text(allow));
        api_status_reply(x, API_METHOD_NOT_ALLOWED, NULL,
                         "the server does not allow this method on the requested resource");
    } else if (rc == -(int)ERR_BAD_REQUEST) {
        api_status_reply(x, API_BAD_REQUEST, NULL, "%s", err->msg);
    } else {
        api_status_reply(x, API_NOT_FOUND, NULL,
                         "the server could not find the requested resource");
    }
}

static void serve(struct http_exchange *x, void *user)
{
    struct api_server *s = user;
    const struct http_head *head = http_exchange_head(x);
    struct api_request r = {.server = s,
                            .node = s->node,
                            .watches = s->watches,
                            .logs = s->logs,
                            .usage = s->usage,
                            .exchange = x};
    struct http_route_match match;
    struct err err = {.code = ERR_NONE};
    struct buf allow;
    int rc = 0;

    if (head->method == HTTP_METHOD_GET && discovery_serve(x, head->path))
        return;
    buf_init(&allow, 256);
    rc = http_dispatch_find(&routes, head->method, head->path, &match, &allow, &err);
    if (rc < 0) {
        refuse(x, rc, &allow, &err);
    } else {
        size_t row = (size_t)(match.route - filled);

        if (take_names(&r, row, &match))
            rows[row].handler(&r);
        else
            api_status_reply(x, API_NOT_FOUND, NULL,
                             "the server could not find the requested resource");
    }
    buf_fini(&allow);
}

struct api_server *api_server_new(struct node *n)
{
    struct api_server *s = mem_alloc(sizeof *s);
    struct http_server_conf conf = HTTP_SERVER_CONF_DEFAULT;

    fill_routes();
    conf.server_name = "api";
    s->node = n;
    s->watches = watch_streams_new(node_loop(n), node_store(n));
    s->logs = log_streams_new(node_loop(n), node_store(n));
    s->usage = usage_new(node_loop(n), node_config_of(n), node_store(n));
    s->http = http_server_new(node_loop(n), &conf, serve, s);
    return s;
}

int api_server_listen(struct api_server *s, struct err *err)
{
    const struct config_list *list = &node_config_of(s->node)->listen;
    int inherited = http_server_inherited_fd("api");
    char address[32];
    int rc = 0;

    for (size_t i = 0; i < list->count && rc == 0; i++)
        rc = http_server_listen(s->http, list->items[i], err);
    if (rc == 0 && inherited >= 0) {
        snprintf(address, sizeof address, "fd:%d", inherited);
        rc = http_server_listen(s->http, address, err);
    }
    if (rc == 0 && list->count == 0 && inherited < 0)
        rc = err_set(err, ERR_CONFIG, "listen: no address, and no inherited socket called api");
    return rc;
}

void api_server_free(struct api_server **s)
{
    if (!*s)
        return;
    watch_streams_free(&(*s)->watches);
    log_streams_free(&(*s)->logs);
    usage_free(&(*s)->usage);
    http_server_free(&(*s)->http);
    free(*s);
    *s = NULL;
}

void api_server_wake(struct api_server *s)
{
    watch_streams_wake(s->watches);
}
