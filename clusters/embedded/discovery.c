/* What clients ask before they ask for objects: health, version, groups and resources. */
#include "base/json.h"
#include "clusters/embedded/api_request.h"
#include "clusters/embedded/openapi.h"
#include "http/http_reply.h"
#include <string.h>

#define METRICS "metrics.k8s.io/v1beta1"
#define CLASSES "node.k8s.io/v1"

static struct json_t *verbs(enum object_kind kind)
{
    return kind == OBJECT_POD
               ? json_build("[s,s,s,s,s,s]", "create", "delete", "get", "list", "patch", "watch")
           : kind == OBJECT_NAMESPACE ? json_build("[s,s,s,s]", "create", "get", "list", "watch")
                                      : json_build("[s,s,s]", "get", "list", "watch");
}

static struct json_t *add_resource(struct json_t *list, const char *name, const char *kind,
                                   bool namespaced, struct json_t *verb_list)
{
    struct json_t *r = json_build("{s:s, s:s, s:b, s:s, s:o}", "name", name, "singularName", "",
                                  "namespaced", namespaced, "kind", kind, "verbs", verb_list);

    json_add(list, r);
    return r;
}

static void add_kind(struct json_t *list, enum object_kind kind)
{
    const struct api_kind *k = &API_KINDS[kind];
    struct json_t *r = add_resource(list, k->resource, k->kind, k->namespaced, verbs(kind));

    json_set_text(r, "singularName", k->singular);
    if (k->short_name)
        json_set(r, "shortNames", json_build("[s]", k->short_name));
    if (kind == OBJECT_POD)
        json_set(r, "categories", json_build("[s]", "all"));
}

static struct json_t *resources(const char *version, struct json_t *list)
{
    return json_build("{s:s, s:s, s:s, s:o}", "kind", "APIResourceList", "apiVersion", "v1",
                      "groupVersion", version, "resources", list);
}

static struct json_t *core_resources(void)
{
    struct json_t *list = json_new_array();

    for (int kind = 0; kind <= OBJECT_EVENT; kind++)
        add_kind(list, (enum object_kind)kind);
    add_resource(list, "pods/log", "Pod", true, json_build("[s]", "get"));
    return resources("v1", list);
}

static struct json_t *class_resources(void)
{
    struct json_t *list = json_new_array();

    add_kind(list, OBJECT_RUNTIME_CLASS);
    return resources(CLASSES, list);
}

static struct json_t *metrics_resources(void)
{
    struct json_t *list = json_new_array();

    add_resource(list, "nodes", "NodeMetrics", false, json_build("[s,s]", "get", "list"));
    add_resource(list, "pods", "PodMetrics", true, json_build("[s,s]", "get", "list"));
    return resources(METRICS, list);
}

static struct json_t *versions(void)
{
    return json_build("{s:s, s:[s], s:[]}", "kind", "APIVersions", "versions", "v1",
                      "serverAddressByClientCIDRs");
}

/* "group/version" */
static struct json_t *group_of(const char *group_version)
{
    const char *slash = strchr(group_version, '/');
    struct json_t *version =
        json_build("{s:s, s:s}", "groupVersion", group_version, "version", slash + 1);
    struct json_t *group =
        json_build("{s:o, s:[O], s:O}", "name",
                   json_new_text_n(group_version, (size_t)(slash - group_version)), "versions",
                   version, "preferredVersion", version);

    json_free(version);
    return group;
}

static struct json_t *group_alone(const char *group_version)
{
    struct json_t *group = group_of(group_version);

    json_set_text(group, "kind", "APIGroup");
    json_set_text(group, "apiVersion", "v1");
    return group;
}

static struct json_t *metrics_group(void)
{
    return group_alone(METRICS);
}

static struct json_t *class_group(void)
{
    return group_alone(CLASSES);
}

static struct json_t *groups(void)
{
    return json_build("{s:s, s:s, s:[o,o]}", "kind", "APIGroupList", "apiVersion", "v1", "groups",
                      group_of(METRICS), group_of(CLASSES));
}

/* The API this node follows is Kubernetes 1.36's, as far as it goes: with that kubectl it is
 * tested. */
static struct json_t *version(void)
{
    return json_build("{s:s, s:s, s:s, s:s}", "major", "1", "minor", "36", "gitVersion",
                      "v1.36.0+spillway-" SPILLWAY_VERSION, "platform", "linux");
}

bool discovery_serve(struct http_exchange *x, struct slice path)
{
    static const struct {
        const char *path;
        struct json_t *(*build)(void);
    } documents[] = {{"/api", versions},
                     {"/api/v1", core_resources},
                     {"/apis", groups},
                     {"/apis/metrics.k8s.io", metrics_group},
                     {"/apis/" METRICS, metrics_resources},
                     {"/apis/node.k8s.io", class_group},
                     {"/apis/" CLASSES, class_resources},
                     {"/openapi/v3", openapi_index},
                     {"/openapi/v3/api/v1", openapi_core},
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
