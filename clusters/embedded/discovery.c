/* What clients ask before they ask for objects: health, version, groups and resources. */
#include "base/json.h"
#include "clusters/embedded/api_request.h"
#include "http/http_reply.h"
#include <string.h>

static struct json_t *verbs(bool pods, bool namespaces)
{
    return pods ? json_build("[s,s,s,s,s,s]", "create", "delete", "get", "list", "patch", "watch")
           : namespaces ? json_build("[s,s,s,s]", "create", "get", "list", "watch")
                        : json_build("[s,s,s]", "get", "list", "watch");
}

static void add_resource(struct json_t *list, const char *name, const char *kind, bool namespaced,
                         struct json_t *verb_list)
{
    json_add(list, json_build("{s:s, s:s, s:b, s:s, s:o}", "name", name, "singularName", "",
                              "namespaced", namespaced, "kind", kind, "verbs", verb_list));
}

static struct json_t *resource_list(void)
{
    struct json_t *list = json_new_array();

    for (int kind = 0; kind < OBJECT_KINDS; kind++)
        add_resource(list, API_KINDS[kind].resource, API_KINDS[kind].kind,
                     API_KINDS[kind].namespaced,
                     verbs(kind == OBJECT_POD, kind == OBJECT_NAMESPACE));
    add_resource(list, "pods/log", "Pod", true, json_build("[s]", "get"));
    return json_build("{s:s, s:s, s:s, s:o}", "kind", "APIResourceList", "apiVersion", "v1",
                      "groupVersion", "v1", "resources", list);
}

static struct json_t *versions(void)
{
    return json_build("{s:s, s:[s], s:[]}", "kind", "APIVersions", "versions", "v1",
                      "serverAddressByClientCIDRs");
}

static struct json_t *metrics_resources(void)
{
    struct json_t *list = json_new_array();

    add_resource(list, "nodes", "NodeMetrics", false, json_build("[s,s]", "get", "list"));
    add_resource(list, "pods", "PodMetrics", true, json_build("[s,s]", "get", "list"));
    return json_build("{s:s, s:s, s:s, s:o}", "kind", "APIResourceList", "apiVersion", "v1",
                      "groupVersion", "metrics.k8s.io/v1beta1", "resources", list);
}

static struct json_t *metrics_group(void)
{
    struct json_t *version =
        json_build("{s:s, s:s}", "groupVersion", "metrics.k8s.io/v1beta1", "version", "v1beta1");
    struct json_t *group = json_build("{s:s, s:[O], s:O}", "name", "metrics.k8s.io", "versions",
                                      version, "preferredVersion", version);

    json_free(version);
    return group;
}

static struct json_t *metrics_group_alone(void)
{
    struct json_t *group = metrics_group();

    json_set_text(group, "kind", "APIGroup");
    json_set_text(group, "apiVersion", "v1");
    return group;
}

static struct json_t *groups(void)
{
    return json_build("{s:s, s:s, s:[o]}", "kind", "APIGroupList", "apiVersion", "v1", "groups",
                      metrics_group());
}

/* The API this node follows is Kubernetes 1.28's, as far as it goes. */
static struct json_t *version(void)
{
    return json_build("{s:s, s:s, s:s, s:s}", "major", "1", "minor", "28", "gitVersion",
                      "v1.28.0+spillway-" SPILLWAY_VERSION, "platform", "linux");
}

bool discovery_serve(struct http_exchange *x, struct slice path)
{
    static const struct {
        const char *path;
        struct json_t *(*build)(void);
    } documents[] = {{"/api", versions},
                     {"/api/v1", resource_list},
                     {"/apis", groups},
                     {"/apis/metrics.k8s.io", metrics_group_alone},
                     {"/apis/metrics.k8s.io/v1beta1", metrics_resources},
                     {"/version", version}};
    static const char *const healthy[] = {"/healthz", "/readyz", "/livez"};

    for (size_t i = 0; i < ARRAY_LEN(documents); i++)
        if (slice_eq(path, documents[i].path)) {
            http_reply_json(x, 200, documents[i].build());
            return true;
        }
    /* The API listens only once everything is ready. */
    for (size_t i = 0; i < ARRAY_LEN(healthy); i++)
        if (slice_eq(path, healthy[i])) {
            http_reply(x, 200, "text/plain", slice_of("ok"));
            return true;
        }
    return false;
}
