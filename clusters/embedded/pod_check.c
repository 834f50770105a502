#include "clusters/embedded/pod_check.h"
#include "base/config.h"
#include "base/json.h"
#include "clusters/embedded/check_causes.h"
#include "clusters/embedded/container_check.h"
#include "clusters/embedded/names.h"
#include <stdio.h>
#include <string.h>

#define LABEL_BYTES_MAX (256 * 1024) /* of all annotations, as Kubernetes */
#define VOLUMES_MAX     32

static const struct field_row top_fields[] = {
    {"apiVersion", FIELD_TEXT}, {"kind", FIELD_TEXT},  {"metadata", FIELD_OBJECT},
    {"spec", FIELD_OBJECT},     {"status", FIELD_ANY}, /* what a client sends of it is dropped */
};
static const struct field_row meta_fields[] = {
    {"name", FIELD_TEXT},           {"generateName", FIELD_TEXT},     {"namespace", FIELD_TEXT},
    {"labels", FIELD_OBJECT},       {"annotations", FIELD_OBJECT},    {"finalizers", FIELD_OFF},
    {"ownerReferences", FIELD_OFF}, {"creationTimestamp", FIELD_ANY}, {"uid", FIELD_ANY},
    {"resourceVersion", FIELD_ANY}, {"managedFields", FIELD_ANY},     {"generation", FIELD_ANY},
    {"selfLink", FIELD_ANY},
};
static const struct field_row spec_fields[] = {
    {"containers", FIELD_LIST},
    {"initContainers", FIELD_LIST},
    {"volumes", FIELD_LIST},
    {"restartPolicy", FIELD_TEXT},
    {"activeDeadlineSeconds", FIELD_COUNT},
    {"terminationGracePeriodSeconds", FIELD_COUNT},
    {"nodeName", FIELD_TEXT},
    {"nodeSelector", FIELD_OBJECT},
    {"tolerations", FIELD_LIST},
    {"securityContext", FIELD_OBJECT},
    {"hostname", FIELD_TEXT},
    {"automountServiceAccountToken", FIELD_OFF},
    {"serviceAccountName", FIELD_TEXT},
    {"serviceAccount", FIELD_TEXT},
    {"enableServiceLinks", FIELD_BOOL},
    {"dnsPolicy", FIELD_TEXT},
    {"schedulerName", FIELD_TEXT},
    {"priority", FIELD_ANY},
    {"preemptionPolicy", FIELD_TEXT},
    {"imagePullSecrets", FIELD_LIST},
    {"os", FIELD_OBJECT},
    {"runtimeClassName", FIELD_TEXT}, /* which there are, api_pods.c knows */
    {"hostNetwork", FIELD_OFF},
    {"hostPID", FIELD_OFF},
    {"hostIPC", FIELD_OFF},
    {"hostUsers", FIELD_ANY},
    {"shareProcessNamespace", FIELD_OFF},
    {"ephemeralContainers", FIELD_OFF},
    {"affinity", FIELD_OFF},
    {"topologySpreadConstraints", FIELD_OFF},
    {"readinessGates", FIELD_OFF},
    {"dnsConfig", FIELD_OFF},
    {"hostAliases", FIELD_OFF},
    {"subdomain", FIELD_OFF},
    {"setHostnameAsFQDN", FIELD_OFF},
    {"overhead", FIELD_OFF},
    {"priorityClassName", FIELD_OFF},
    {"resourceClaims", FIELD_OFF},
    {"schedulingGates", FIELD_OFF},
};
static const struct field_row pod_security_fields[] = {
    {"runAsUser", FIELD_COUNT},          {"runAsGroup", FIELD_COUNT},
    {"runAsNonRoot", FIELD_BOOL},        {"fsGroup", FIELD_COUNT},
    {"fsGroupChangePolicy", FIELD_TEXT}, {"supplementalGroups", FIELD_OFF},
    {"seccompProfile", FIELD_OBJECT},    {"sysctls", FIELD_OFF},
    {"seLinuxOptions", FIELD_OFF},       {"windowsOptions", FIELD_OFF},
};
static const struct field_row volume_fields[] = {{"name", FIELD_TEXT}, {"emptyDir", FIELD_OBJECT}};
static const struct field_row empty_dir_fields[] = {{"medium", FIELD_TEXT},
                                                    {"sizeLimit", FIELD_ANY}};

#define FIELDS(causes, object, path, rows)                                                         \
    check_causes_fields(causes, object, path, rows, (unsigned)ARRAY_LEN(rows))

bool pod_check_is_agent(const struct pod_check_node *node, const struct json_t *container)
{
    return *node->agent_dir &&
           strcmp(json_get_text(container, "image", ""), node->agent_image) == 0;
}

static void check_map(struct json_t *causes, const struct json_t *map, const char *path,
                      bool labels)
{
    const char *key = NULL;
    struct json_t *value = NULL;
    void *it = NULL;
    size_t bytes = 0;

    while ((it = json_next(map, it, &key, &value))) {
        const char *text = json_text(value);

        if (!names_is_qualified(key))
            check_causes_invalid(causes, path, key, "is no qualified name");
        if (!text || (labels && !names_is_label_value(text)))
            check_causes_invalid(causes, path, text ? text : key, "is no acceptable value");
        bytes += strlen(key) + json_text_len(value);
    }
    if (bytes > LABEL_BYTES_MAX)
        check_causes_add(causes, "FieldValueTooLong", path, "Too long: must have at most %d bytes",
                         LABEL_BYTES_MAX);
}

static void check_meta(struct json_t *causes, const struct json_t *meta)
{
    const char *name = json_get_text(meta, "name", "");

    if (!*name)
        check_causes_required(causes, "metadata.name", "name or generateName is required");
    else if (!names_is_subdomain(name))
        check_causes_invalid(causes, "metadata.name", name, "is no DNS-1123 subdomain");
    check_map(causes, json_get(meta, "labels"), "metadata.labels", true);
    check_map(causes, json_get(meta, "annotations"), "metadata.annotations", false);
}

static void check_volume(struct json_t *causes, const struct json_t *volume, const char *path)
{
    const struct json_t *empty = json_get(volume, "emptyDir");
    const char *medium = json_get_text(empty, "medium", "");
    char field[200];
    int64_t size = 0;

    if (!FIELDS(causes, volume, path, volume_fields))
        return;
    snprintf(field, sizeof field, "%s.name", path);
    if (!names_is_label(json_get_text(volume, "name", "")))
        check_causes_invalid(causes, field, json_get_text(volume, "name", ""),
                             "is no DNS-1123 label");
    snprintf(field, sizeof field, "%s.emptyDir", path);
    if (!empty) {
        check_causes_required(causes, field, "this node has emptyDir volumes only");
        return;
    }
    if (!FIELDS(causes, empty, field, empty_dir_fields))
        return;
    if (*medium && strcmp(medium, "Memory") != 0)
        check_causes_add(causes, "FieldValueNotSupported", field,
                         "Unsupported value: \"%.60s\": supported values: \"\", \"Memory\"",
                         medium);
    if (json_get(empty, "sizeLimit") &&
        !container_check_quantity(json_get(empty, "sizeLimit"), false, &size))
        check_causes_invalid(causes, field, "sizeLimit", "is no quantity");
}

static bool has_volume(const struct json_t *volumes, size_t before, const char *name)
{
    for (size_t i = 0; i < before; i++)
        if (strcmp(json_get_text(json_item(volumes, i), "name", ""), name) == 0)
            return true;
    return false;
}

static void check_volumes(struct json_t *causes, const struct json_t *volumes)
{
    if (json_count(volumes) > VOLUMES_MAX)
        check_causes_add(causes, "FieldValueTooMany", "spec.volumes",
                         "Too many: must have at most %d", VOLUMES_MAX);
    for (size_t i = 0; i < json_count(volumes) && i < VOLUMES_MAX; i++) {
        char path[80];

        snprintf(path, sizeof path, "spec.volumes[%zu]", i);
        check_volume(causes, json_item(volumes, i), path);
        if (has_volume(volumes, i, json_get_text(json_item(volumes, i), "name", "")))
            check_causes_add(causes, "FieldValueDuplicate", path, "Duplicate value");
    }
}

static void check_value(struct json_t *causes, const struct json_t *spec, const char *key,
                        const char *only)
{
    const char *value = json_get_text(spec, key, only);
    char field[100];

    snprintf(field, sizeof field, "spec.%s", key);
    if (strcmp(value, only) != 0)
        check_causes_add(causes, "FieldValueNotSupported", field,
                         "Unsupported value: \"%.60s\": supported values: \"%s\"", value, only);
}

static void check_spec_values(struct json_t *causes, const struct pod_check_node *node,
                              const struct json_t *spec)
{
    const struct json_t *deadline = json_get(spec, "activeDeadlineSeconds");
    const char *hostname = json_get_text(spec, "hostname", "");

    check_value(causes, spec, "restartPolicy", "Never");
    check_value(causes, spec, "schedulerName", "default-scheduler");
    if (*json_get_text(spec, "nodeName", ""))
        check_value(causes, spec, "nodeName", node->node_name);
    if (strcmp(json_get_text(json_get(spec, "os"), "name", "linux"), "linux") != 0)
        check_causes_forbidden(causes, "spec.os", "this node runs Linux");
    if (deadline && (json_int(deadline, 0) < 1 || json_int(deadline, 0) > INT32_MAX))
        check_causes_add(causes, "FieldValueInvalid", "spec.activeDeadlineSeconds",
                         "Invalid value: must be between 1 and 2147483647, inclusive");
    if (json_int(json_get(spec, "terminationGracePeriodSeconds"), 0) > 86400)
        check_causes_add(causes, "FieldValueInvalid", "spec.terminationGracePeriodSeconds",
                         "Invalid value: this node waits at most 86400 seconds");
    if (*hostname && !names_is_label(hostname))
        check_causes_invalid(causes, "spec.hostname", hostname, "is no DNS-1123 label");
}

static void default_text(struct json_t *object, const char *key, const char *value)
{
    if (!json_get(object, key))
        json_set_text(object, key, value);
}

static void set_defaults(struct json_t *pod)
{
    struct json_t *spec = json_get(pod, "spec");

    json_set_text(pod, "apiVersion", "v1");
    json_set_text(pod, "kind", "Pod");
    default_text(spec, "restartPolicy",
                 "Always"); /* as Kubernetes; refused by the check that follows */
    default_text(spec, "dnsPolicy", "ClusterFirst");
    default_text(spec, "schedulerName", "default-scheduler");
    if (!json_get(spec, "terminationGracePeriodSeconds"))
        json_set_int(spec, "terminationGracePeriodSeconds", 30);
    if (!json_get(spec, "securityContext"))
        json_set(spec, "securityContext", json_new_object());
    for (int init = 0; init < 2; init++) {
        struct json_t *list = json_get(spec, init ? "initContainers" : "containers");

        for (size_t i = 0; i < json_count(list); i++)
            container_check_defaults(json_item(list, i));
    }
}

static void check_spec(struct json_t *causes, const struct pod_check_node *node, struct json_t *pod)
{
    const struct json_t *spec = json_get(pod, "spec");
    const struct json_t *main_list = json_get(spec, "containers");
    const struct json_t *security = json_get(spec, "securityContext");
    struct container_check_args args = {.causes = causes, .node = node, .pod = pod};

    check_spec_values(causes, node, spec);
    if (security && FIELDS(causes, security, "spec.securityContext", pod_security_fields))
        container_check_seccomp(causes, security, "spec.securityContext");
    check_volumes(causes, json_get(spec, "volumes"));
    if (json_count(main_list) == 0)
        check_causes_required(causes, "spec.containers", "");
    if (json_count(main_list) > 1)
        check_causes_forbidden(causes, "spec.containers", "this node runs one container in a pod");
    container_check_list(&args, json_get(spec, "initContainers"), "spec.initContainers", true);
    container_check_list(&args, main_list, "spec.containers", false);
}

struct json_t *pod_check(const struct pod_check_node *node, struct json_t *pod)
{
    struct json_t *causes = json_new_array();

    if (!FIELDS(causes, pod, "", top_fields) || json_count(causes))
        return causes;
    if (!FIELDS(causes, json_get(pod, "metadata"), "metadata", meta_fields) ||
        !FIELDS(causes, json_get(pod, "spec"), "spec", spec_fields) || json_count(causes))
        return causes;
    set_defaults(pod);
    check_meta(causes, json_get(pod, "metadata"));
    check_spec(causes, node, pod);
    return causes;
}

static const struct field_row patch_fields[] = {
    {"apiVersion", FIELD_TEXT},
    {"kind", FIELD_TEXT},
    {"metadata", FIELD_OBJECT},
    {"spec", FIELD_OBJECT},
};
static const struct field_row patch_meta_fields[] = {
    {"labels", FIELD_OBJECT},        {"annotations", FIELD_OBJECT}, {"uid", FIELD_TEXT},
    {"resourceVersion", FIELD_TEXT}, {"name", FIELD_TEXT},          {"namespace", FIELD_TEXT},
};
static const struct field_row patch_spec_fields[] = {{"activeDeadlineSeconds", FIELD_COUNT}};

static void check_patch_map(struct json_t *causes, const struct json_t *patch, const char *key,
                            bool labels)
{
    struct json_t *map = json_get(json_get(patch, "metadata"), key);
    struct json_t *kept = json_new_object();
    char path[60];

    /* null takes a key away: only what stays is checked. */
    if (json_is_object(map))
        json_merge_patch(kept, map);
    snprintf(path, sizeof path, "metadata.%s", key);
    check_map(causes, kept, path, labels);
    json_free(kept);
}

struct json_t *pod_check_patch(const struct json_t *pod, const struct json_t *patch)
{
    struct json_t *causes = json_new_array();
    const struct json_t *meta = json_get(patch, "metadata");
    const struct json_t *spec = json_get(patch, "spec");
    const struct json_t *deadline = json_get(spec, "activeDeadlineSeconds");
    int64_t old = json_int(json_at(pod, "spec", "activeDeadlineSeconds", NULL), INT32_MAX);

    FIELDS(causes, patch, "", patch_fields);
    if (meta && FIELDS(causes, meta, "metadata", patch_meta_fields)) {
        check_patch_map(causes, patch, "labels", true);
        check_patch_map(causes, patch, "annotations", false);
    }
    if (spec)
        FIELDS(causes, spec, "spec", patch_spec_fields);
    if (deadline && (json_int(deadline, 0) < 1 || json_int(deadline, 0) > old))
        check_causes_add(causes, "FieldValueInvalid", "spec.activeDeadlineSeconds",
                         "Invalid value: must be between 1 and the present value, inclusive");
    return causes;
}
