#include "clusters/embedded/openapi.h"
#include "base/json.h"
#include "clusters/embedded/api_request.h"
#include <stdio.h>

#define CORE "/openapi/v3/api/v1"

struct json_t *openapi_index(void)
{
    return json_build("{s:{s:{s:s}}}", "paths", "api/v1", "serverRelativeURL", CORE);
}

static struct json_t *kind_json(const struct api_kind *k)
{
    return json_build("{s:s, s:s, s:s}", "group", "", "version", k->version, "kind", k->kind);
}

static void add_parameter(struct json_t *list, const char *name, const char *in, const char *about)
{
    struct json_t *p = json_build("{s:s, s:s, s:s, s:{s:s}}", "name", name, "in", in, "description",
                                  about, "schema", "type", "string");

    if (in[0] == 'p')
        json_set_bool(p, "required", true);
    json_add(list, p);
}

/* kubectl looks at these before it leaves the checking of an object to the server. */
static struct json_t *write_parameters(void)
{
    struct json_t *list = json_new_array();

    add_parameter(list, "fieldValidation", "query",
                  "Always Strict here: a field that this node does not know is refused.");
    add_parameter(list, "dryRun", "query", "All: check and answer, but change nothing.");
    return list;
}

static void add_operation(struct json_t *path, const char *verb, const char *action,
                          const struct api_kind *k)
{
    char id[100], ref[100];
    struct json_t *op = json_new_object();

    snprintf(id, sizeof id, "%s%s", action, k->kind);
    snprintf(ref, sizeof ref, "#/components/schemas/io.k8s.api.core.v1.%s", k->kind);
    json_set_text(op, "operationId", id);
    json_set_text(op, "x-kubernetes-action", verb);
    json_set(op, "x-kubernetes-group-version-kind", kind_json(k));
    json_set(op, "responses",
             json_build("{s:{s:s, s:{s:{s:{s:s}}}}}", "200", "description", "OK", "content",
                        "application/json", "schema", "$ref", ref));
    if (verb[0] == 'p')
        json_set(op, "parameters", write_parameters());
    json_set(path, verb, op);
}

static void add_paths(struct json_t *paths, enum object_kind kind)
{
    const struct api_kind *k = &API_KINDS[kind];
    struct json_t *list = json_new_object(), *one = json_new_object();
    struct json_t *in_list = json_new_array(), *in_one = json_new_array();
    char path[200];

    if (k->namespaced) {
        add_parameter(in_list, "namespace", "path", "namespace of the object");
        add_parameter(in_one, "namespace", "path", "namespace of the object");
    }
    add_parameter(in_one, "name", "path", "name of the object");
    json_set(list, "parameters", in_list);
    json_set(one, "parameters", in_one);
    add_operation(list, "get", "list", k);
    add_operation(one, "get", "read", k);
    if (kind == OBJECT_POD || kind == OBJECT_NAMESPACE)
        add_operation(list, "post", "create", k);
    if (kind == OBJECT_POD)
        add_operation(one, "delete", "delete", k);
    /* Only pods are patched; but by this operation clients see, for every kind, that the server
     * checks fields. */
    if (kind == OBJECT_POD || kind == OBJECT_NAMESPACE)
        add_operation(one, "patch", "patch", k);
    snprintf(path, sizeof path, "/api/v1/%s%s", k->namespaced ? "namespaces/{namespace}/" : "",
             k->resource);
    json_set(paths, path, list);
    snprintf(path, sizeof path, "/api/v1/%s%s/{name}",
             k->namespaced ? "namespaces/{namespace}/" : "", k->resource);
    json_set(paths, path, one);
}

static void add_schema(struct json_t *schemas, enum object_kind kind)
{
    static const char *const texts[] = {"apiVersion", "kind"};
    static const char *const objects[] = {"metadata", "spec", "status"};
    struct json_t *properties = json_new_object();
    char name[100];

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        json_set(properties, texts[i], json_build("{s:s}", "type", "string"));
    for (size_t i = 0; i < ARRAY_LEN(objects); i++)
        json_set(properties, objects[i], json_build("{s:s}", "type", "object"));
    snprintf(name, sizeof name, "io.k8s.api.core.v1.%s", API_KINDS[kind].kind);
    json_set(
        schemas, name,
        json_build("{s:s, s:s, s:o, s:[o]}", "type", "object", "description",
                   "As Kubernetes defines it; fields that this node does not have are refused.",
                   "properties", properties, "x-kubernetes-group-version-kind",
                   kind_json(&API_KINDS[kind])));
}

struct json_t *openapi_core(void)
{
    struct json_t *paths = json_new_object(), *schemas = json_new_object();

    for (int kind = 0; kind <= OBJECT_EVENT; kind++) {
        add_paths(paths, (enum object_kind)kind);
        add_schema(schemas, (enum object_kind)kind);
    }
    return json_build("{s:s, s:{s:s, s:s}, s:o, s:{s:o}}", "openapi", "3.0.0", "info", "title",
                      "spillway-node", "version", SPILLWAY_VERSION, "paths", paths, "components",
                      "schemas", schemas);
}
