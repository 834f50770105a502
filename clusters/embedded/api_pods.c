/* Writing: pods and namespaces. */
#include "base/json.h"
#include "base/mem.h"
#include "clusters/embedded/api_request.h"
#include "clusters/embedded/api_status.h"
#include "clusters/embedded/names.h"
#include "clusters/embedded/node.h"
#include "clusters/embedded/node_config.h"
#include "clusters/embedded/node_object.h"
#include "clusters/embedded/pod_check.h"
#include "http/http_reply.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MAX       ((size_t)1024 * 1024)
#define PODS_MAX       20000 /* objects, running or not: memory is finite */
#define NAMESPACES_MAX 1000

/* A request whose body is being read. */
struct body_call {
    struct api_request request;
    void (*then)(struct api_request *r, struct json_t *body);
    bool may_be_empty;
};

static struct json_t *stored_pod(const struct api_request *r)
{
    return object_store_get(node_store(r->node), OBJECT_POD, r->namespace_name, r->name);
}

static const char *meta_text(const struct json_t *object, const char *key)
{
    return json_get_text(json_get(object, "metadata"), key, "");
}

static void on_body(struct http_exchange *x, struct slice body, const struct err *err, void *user)
{
    struct body_call *call = user;
    struct err bad = {.code = ERR_NONE};
    struct json_t *object = NULL;

    if (!err && (body.len || !call->may_be_empty))
        object = json_parse_object(body, &bad);
    if (err)
        api_status_reply_err(x, err);
    else if (bad.code)
        api_status_reply(x, API_BAD_REQUEST, NULL, "the body is not understood: %s", bad.msg);
    else
        call->then(&call->request, object);
    json_free(object);
    free(call);
}

static void read_body(struct api_request *r, bool may_be_empty,
                      void (*then)(struct api_request *, struct json_t *))
{
    struct body_call *call = mem_alloc(sizeof *call);

    *call = (struct body_call){.request = *r, .then = then, .may_be_empty = may_be_empty};
    http_exchange_collect(r->exchange, BODY_MAX, on_body, call);
}

static bool has_content_type(const struct api_request *r, const char *type)
{
    struct slice value = http_head_get(http_exchange_head(r->exchange), "Content-Type");
    size_t len = strlen(type);

    return value.len >= len && strncasecmp(value.at, type, len) == 0 &&
           (value.len == len || value.at[len] == ';' || value.at[len] == ' ');
}

static bool body_is_json(struct api_request *r)
{
    if (http_head_get(http_exchange_head(r->exchange), "Content-Type").len == 0 ||
        has_content_type(r, "application/json"))
        return true;
    api_status_reply(
        r->exchange, API_UNSUPPORTED_MEDIA_TYPE, NULL,
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json");
    return false;
}

/* -- create -- */

static void clear_server_fields(struct json_t *meta)
{
    static const char *const fields[] = {"uid",           "resourceVersion", "creationTimestamp",
                                         "managedFields", "generation",      "selfLink"};

    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        json_remove(meta, fields[i]);
}

/* generateName: five characters behind it, as Kubernetes does. */
static void generate_name(struct api_request *r, struct json_t *meta)
{
    static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
    const char *prefix = json_get_text(meta, "generateName", "");
    char name[300], tail[6] = "";

    if (*json_get_text(meta, "name", "") || !*prefix)
        return;
    for (size_t i = 0; i < 5; i++)
        tail[i] = letters[world_random_below(loop_world(node_loop(r->node)), sizeof letters - 1)];
    snprintf(name, sizeof name, "%.57s%s", prefix, tail);
    json_set_text(meta, "name", name);
}

static bool check_namespace(struct api_request *r, struct json_t *meta)
{
    const char *given = json_get_text(meta, "namespace", r->namespace_name);

    if (strcmp(given, r->namespace_name) != 0) {
        api_status_reply(r->exchange, API_BAD_REQUEST, NULL,
                         "the namespace of the provided object does not match the namespace sent "
                         "on the request");
        return false;
    }
    if (!object_store_get(node_store(r->node), OBJECT_NAMESPACE, "", r->namespace_name)) {
        api_status_reply_not_found(r->exchange, "namespaces", r->namespace_name);
        return false;
    }
    json_set_text(meta, "namespace", r->namespace_name);
    return true;
}

static const struct json_t *find_runtime_class(const struct api_request *r, const char *name)
{
    return object_store_get(node_store(r->node), OBJECT_RUNTIME_CLASS, "", name);
}

/* What admission does in Kubernetes. Behind the check: nobody but this server sets it. */
static void add_overhead(const struct api_request *r, struct json_t *pod)
{
    struct json_t *spec = json_get(pod, "spec");
    const char *class_name = json_get_text(spec, "runtimeClassName", "");
    const struct json_t *fixed =
        *class_name ? json_at(find_runtime_class(r, class_name), "overhead", "podFixed", NULL)
                    : NULL;

    if (fixed)
        json_set(spec, "overhead", json_copy(fixed));
}

/* Kubernetes rejects it at admission, before validation. */
static bool check_runtime_class(struct api_request *r, const struct json_t *pod)
{
    const char *class_name = json_get_text(json_get(pod, "spec"), "runtimeClassName", "");

    if (!*class_name || find_runtime_class(r, class_name))
        return true;
    api_status_reply(r->exchange, API_FORBIDDEN,
                     &(struct api_subject){.resource = "pods", .name = meta_text(pod, "name")},
                     "pods \"%.100s\" is forbidden: pod rejected: RuntimeClass \"%.63s\" not found",
                     meta_text(pod, "name"), class_name);
    return false;
}

static void store_new_pod(struct api_request *r, struct json_t *pod, bool dry)
{
    char *name = mem_text(meta_text(pod, "name"));
    struct err err = {.code = ERR_NONE};

    if (object_store_get(node_store(r->node), OBJECT_POD, r->namespace_name, name))
        api_status_reply(r->exchange, API_ALREADY_EXISTS,
                         &(struct api_subject){.resource = "pods", .name = name},
                         "pods \"%s\" already exists", name);
    else if (object_store_count(node_store(r->node), OBJECT_POD) >= PODS_MAX)
        api_status_reply(
            r->exchange, API_FORBIDDEN, &(struct api_subject){.resource = "pods", .name = name},
            "pods \"%s\" is forbidden: this node keeps at most %d pod objects", name, PODS_MAX);
    else if (dry)
        http_reply_json(r->exchange, 201, json_copy(pod));
    else if (node_create_pod(r->node, json_ref(pod), &err) < 0)
        api_status_reply_err(r->exchange, &err);
    else
        http_reply_json(
            r->exchange, 201,
            json_copy(object_store_get(node_store(r->node), OBJECT_POD, r->namespace_name, name)));
    free(name);
}

static void create_pod(struct api_request *r, struct json_t *pod)
{
    const struct node_config *config = node_config_of(r->node);
    const struct pod_check_node node = {.images = &config->images,
                                        .agent_image = config->agent_image,
                                        .agent_dir = config->agent_dir,
                                        .node_name = config->name};
    struct json_t *meta = json_get(pod, "metadata");
    struct json_t *causes = NULL;
    bool dry = false;

    if (!api_request_dry_run(r, &dry))
        return;
    if (!json_is_object(meta)) {
        api_status_reply(r->exchange, API_BAD_REQUEST, NULL, "the object has no metadata");
        return;
    }
    clear_server_fields(meta);
    generate_name(r, meta);
    if (!check_namespace(r, meta) || !check_runtime_class(r, pod))
        return;
    json_remove(pod, "status");
    causes = pod_check(&node, pod);
    if (json_count(causes)) {
        api_status_reply_invalid(r->exchange, "Pod", meta_text(pod, "name"), causes);
        return;
    }
    json_free(causes);
    add_overhead(r, pod);
    store_new_pod(r, pod, dry);
}

void api_pods_create(struct api_request *r)
{
    if (body_is_json(r))
        read_body(r, false, create_pod);
}

/* -- delete -- */

static bool preconditions_hold(struct api_request *r, const struct json_t *pod,
                               const struct json_t *wanted)
{
    static const struct {
        const char *key, *name;
    } checks[] = {{"uid", "UID"}, {"resourceVersion", "ResourceVersion"}};

    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        const char *want = json_get_text(wanted, checks[i].key, NULL);
        const char *have = meta_text(pod, checks[i].key);

        if (!want || strcmp(want, have) == 0)
            continue;
        api_status_reply(r->exchange, API_CONFLICT,
                         &(struct api_subject){.resource = "pods", .name = r->name},
                         "Operation cannot be fulfilled on pods \"%s\": Precondition failed: %s in "
                         "precondition: "
                         "%.60s, %s in object meta: %s",
                         r->name, checks[i].name, want, checks[i].name, have);
        return false;
    }
    return true;
}

/* DeleteOptions, then the query, then the pod's own; -1 when it is no acceptable number (the
 * exchange has ended). */
static int64_t grace_seconds(struct api_request *r, const struct json_t *pod,
                             const struct json_t *options)
{
    const struct json_t *given = json_get(options, "gracePeriodSeconds");
    int64_t grace = json_int(json_at(pod, "spec", "terminationGracePeriodSeconds", NULL), 30);
    struct err err = {.code = ERR_NONE};

    if (http_query_int(http_exchange_head(r->exchange)->query, "gracePeriodSeconds", 0, 86400,
                       &grace, &err) < 0) {
        api_status_reply(r->exchange, API_BAD_REQUEST, NULL, "%s", err.msg);
        return -1;
    }
    if (given && !json_is_null(given))
        grace = json_int(given, -1);
    if (grace < 0 || grace > 86400) {
        api_status_reply(r->exchange, API_BAD_REQUEST, NULL,
                         "gracePeriodSeconds must be from 0 to 86400");
        return -1;
    }
    return grace;
}

static void delete_pod(struct api_request *r, struct json_t *options)
{
    struct json_t *pod = stored_pod(r);
    struct json_t *last = NULL;
    struct err err = {.code = ERR_NONE};
    int64_t grace = 0;
    bool dry = false;

    if (!api_request_dry_run(r, &dry))
        return;
    if (!pod) {
        api_status_reply_not_found(r->exchange, "pods", r->name);
        return;
    }
    if (!preconditions_hold(r, pod, json_get(options, "preconditions")))
        return;
    grace = grace_seconds(r, pod, options);
    if (grace < 0)
        return;
    if (dry || json_count(json_get(options, "dryRun"))) {
        http_reply_json(r->exchange, 200, json_copy(pod));
        return;
    }
    last = json_ref(pod);
    if (node_delete_pod(r->node, pod, grace, &err) < 0)
        api_status_reply_err(r->exchange, &err);
    else
        http_reply_json(r->exchange, 200, json_copy(stored_pod(r) ? stored_pod(r) : last));
    json_free(last);
}

void api_pods_delete(struct api_request *r)
{
    if (body_is_json(r))
        read_body(r, true, delete_pod);
}

/* -- patch -- */

static void apply_patch(struct api_request *r, const struct json_t *pod, const struct json_t *patch)
{
    struct json_t *copy = NULL;
    struct err err = {.code = ERR_NONE};
    bool dry = false;

    if (!api_request_dry_run(r, &dry))
        return;
    copy = json_copy(pod);
    json_merge_patch(copy, patch);
    if (dry)
        http_reply_json(r->exchange, 200, copy);
    else if (node_update_pod(r->node, copy, &err) < 0)
        api_status_reply_err(r->exchange, &err);
    else
        http_reply_json(r->exchange, 200, json_copy(stored_pod(r)));
}

static void patch_pod(struct api_request *r, struct json_t *patch)
{
    const struct json_t *pod = stored_pod(r);
    struct json_t *causes = NULL;

    if (!pod) {
        api_status_reply_not_found(r->exchange, "pods", r->name);
        return;
    }
    if (!preconditions_hold(r, pod, json_get(patch, "metadata")))
        return;
    causes = pod_check_patch(pod, patch);
    if (json_count(causes)) {
        api_status_reply_invalid(r->exchange, "Pod", r->name, causes);
        return;
    }
    json_free(causes);
    apply_patch(r, pod, patch);
}

/* For what may be patched here, maps of texts and a number, both kinds of patch mean the same. */
void api_pods_patch(struct api_request *r)
{
    if (has_content_type(r, "application/merge-patch+json") ||
        has_content_type(r, "application/strategic-merge-patch+json"))
        read_body(r, false, patch_pod);
    else
        api_status_reply(
            r->exchange, API_UNSUPPORTED_MEDIA_TYPE, NULL,
            "the body of the request was in an unknown format - accepted media types include: "
            "application/merge-patch+json, application/strategic-merge-patch+json");
}

/* -- namespaces -- */

static void create_namespace(struct api_request *r, struct json_t *body)
{
    struct object_store *store = node_store(r->node);
    const char *name = meta_text(body, "name");
    struct err err = {.code = ERR_NONE};
    bool dry = false;

    if (!api_request_dry_run(r, &dry))
        return;
    if (!names_is_label(name)) {
        api_status_reply(r->exchange, API_INVALID, &(struct api_subject){.resource = "namespaces"},
                         "Namespace \"%.63s\" is invalid: metadata.name: must be a DNS-1123 label",
                         name);
        return;
    }
    if (object_store_get(store, OBJECT_NAMESPACE, "", name))
        api_status_reply(r->exchange, API_ALREADY_EXISTS,
                         &(struct api_subject){.resource = "namespaces", .name = name},
                         "namespaces \"%s\" already exists", name);
    else if (object_store_count(store, OBJECT_NAMESPACE) >= NAMESPACES_MAX)
        api_status_reply(r->exchange, API_FORBIDDEN, NULL, "this node keeps at most %d namespaces",
                         NAMESPACES_MAX);
    else if (dry)
        http_reply_json(r->exchange, 201, node_object_namespace(name));
    else if (object_store_put(store, OBJECT_NAMESPACE, node_object_namespace(name), &err) < 0)
        api_status_reply_err(r->exchange, &err);
    else
        http_reply_json(r->exchange, 201,
                        json_copy(object_store_get(store, OBJECT_NAMESPACE, "", name)));
}

void api_namespaces_create(struct api_request *r)
{
    if (body_is_json(r))
        read_body(r, false, create_namespace);
}
