/* metrics.k8s.io/v1beta1 as metrics-server answers it: NodeMetrics and PodMetrics, get and list. */
#include "base/json.h"
#include "clusters/embedded/api_request.h"
#include "clusters/embedded/api_status.h"
#include "clusters/embedded/node.h"
#include "clusters/embedded/pod_status.h"
#include "clusters/embedded/selector.h"
#include "clusters/embedded/usage.h"
#include "http/http_reply.h"
#include <stdio.h>
#include <stdlib.h>

#define VERSION        "metrics.k8s.io/v1beta1"
#define SELECTOR_BYTES 4096

/* The same letters and units as metrics-server's. */
static struct json_t *amount_json(const struct usage_amount *a)
{
    char cpu[32], memory[32];

    snprintf(cpu, sizeof cpu, "%lldn", (long long)a->nanocores);
    snprintf(memory, sizeof memory, "%lldKi", (long long)(a->memory_bytes / 1024));
    return json_build("{s:s, s:s}", "cpu", cpu, "memory", memory);
}

static struct json_t *describe(const char *kind, const struct json_t *object,
                               const struct usage_amount *a)
{
    const struct json_t *meta = json_get(object, "metadata"), *labels = json_get(meta, "labels");
    struct json_t *j = json_new_object(), *m = json_new_object();
    char text[32];

    json_set_text(m, "name", json_get_text(meta, "name", ""));
    if (json_get(meta, "namespace"))
        json_set_text(m, "namespace", json_get_text(meta, "namespace", ""));
    if (labels)
        json_set(m, "labels", json_copy(labels));
    pod_status_time(a->wall_ms, text);
    json_set_text(m, "creationTimestamp", text);
    json_set_text(j, "kind", kind);
    json_set_text(j, "apiVersion", VERSION);
    json_set(j, "metadata", m);
    json_set_text(j, "timestamp", text);
    snprintf(text, sizeof text, "%lld.%03llds", (long long)(a->window_ms / 1000),
             (long long)(a->window_ms % 1000));
    json_set_text(j, "window", text);
    return j;
}

/* NULL: not measured yet. */
static struct json_t *node_json(const struct api_request *r, const struct json_t *node)
{
    struct usage_amount a;
    struct json_t *j;

    if (!usage_of_node(r->usage, &a))
        return NULL;
    j = describe("NodeMetrics", node, &a);
    json_set(j, "usage", amount_json(&a));
    return j;
}

static struct json_t *pod_json(const struct api_request *r, const struct json_t *pod)
{
    const struct json_t *container = json_item(json_at(pod, "spec", "containers", NULL), 0);
    struct usage_amount a;
    struct json_t *j;

    if (!usage_of_pod(r->usage, json_get_text(json_get(pod, "metadata"), "uid", ""), &a))
        return NULL;
    j = describe("PodMetrics", pod, &a);
    json_set(j, "containers",
             json_build("[{s:s, s:o}]", "name", json_get_text(container, "name", ""), "usage",
                        amount_json(&a)));
    return j;
}

typedef struct json_t *item_f(const struct api_request *r, const struct json_t *object);

static void reply_one(struct api_request *r, enum object_kind kind, item_f *item)
{
    const struct json_t *object =
        object_store_get(node_store(r->node), kind, r->namespace_name, r->name);
    struct json_t *j = object ? item(r, object) : NULL;

    if (j)
        http_reply_json(r->exchange, 200, j);
    else
        api_status_reply_not_found(r->exchange, API_KINDS[kind].resource, r->name);
}

static void reply_list(struct api_request *r, enum object_kind kind, const char *list_kind,
                       item_f *item)
{
    struct json_t **objects = NULL, *items = json_new_array(), *list = json_new_object();
    const char *ns = *r->namespace_name ? r->namespace_name : NULL;
    struct selector *labels = NULL;
    struct err err = {.code = ERR_NONE};
    char text[SELECTOR_BYTES];
    size_t count = 0;
    bool good = api_request_query(r, "labelSelector", text, sizeof text);

    if (good && selector_parse_labels(text, &labels, &err) < 0) {
        api_status_reply(r->exchange, API_BAD_REQUEST, NULL, "%s", err.msg);
        good = false;
    }
    count = good ? object_store_list(node_store(r->node), kind, ns, &objects) : 0;
    for (size_t i = 0; i < count; i++) {
        struct json_t *j = selector_matches(labels, objects[i]) ? item(r, objects[i]) : NULL;
        if (j)
            json_add(items, j);
    }
    json_set_text(list, "kind", list_kind);
    json_set_text(list, "apiVersion", VERSION);
    json_set(list, "metadata", json_new_object());
    json_set(list, "items", items);
    if (good)
        http_reply_json(r->exchange, 200, json_ref(list));
    json_free(list);
    selector_free(&labels);
    free(objects);
}

void api_usage_nodes(struct api_request *r)
{
    reply_list(r, OBJECT_NODE, "NodeMetricsList", node_json);
}

void api_usage_node(struct api_request *r)
{
    reply_one(r, OBJECT_NODE, node_json);
}

void api_usage_pods(struct api_request *r)
{
    reply_list(r, OBJECT_POD, "PodMetricsList", pod_json);
}

void api_usage_pod(struct api_request *r)
{
    reply_one(r, OBJECT_POD, pod_json);
}
