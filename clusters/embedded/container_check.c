#include "clusters/embedded/container_check.h"
#include "base/config.h"
#include "base/json.h"
#include "clusters/embedded/check_causes.h"
#include "clusters/embedded/names.h"
#include "clusters/embedded/pod_check.h"
#include "clusters/quantity.h"
#include <stdio.h>
#include <string.h>

#define INIT_CONTAINERS_MAX 8
#define MOUNTS_MAX          32
#define ENV_MAX             200

static const struct field_row container_fields[] = {
    {"name", FIELD_TEXT},
    {"image", FIELD_TEXT},
    {"imagePullPolicy", FIELD_TEXT},
    {"command", FIELD_LIST},
    {"args", FIELD_LIST},
    {"env", FIELD_LIST},
    {"workingDir", FIELD_TEXT},
    {"ports", FIELD_LIST},
    {"resources", FIELD_OBJECT},
    {"volumeMounts", FIELD_LIST},
    {"securityContext", FIELD_OBJECT},
    {"terminationMessagePath", FIELD_TEXT},
    {"terminationMessagePolicy", FIELD_TEXT},
    {"envFrom", FIELD_OFF},
    {"volumeDevices", FIELD_OFF},
    {"livenessProbe", FIELD_OFF},
    {"readinessProbe", FIELD_OFF},
    {"startupProbe", FIELD_OFF},
    {"lifecycle", FIELD_OFF},
    {"restartPolicy", FIELD_OFF},
    {"resizePolicy", FIELD_OFF},
    {"stdin", FIELD_OFF},
    {"stdinOnce", FIELD_OFF},
    {"tty", FIELD_OFF},
};
static const struct field_row security_fields[] = {
    {"runAsUser", FIELD_COUNT},
    {"runAsGroup", FIELD_COUNT},
    {"runAsNonRoot", FIELD_BOOL},
    {"allowPrivilegeEscalation", FIELD_OFF},
    {"readOnlyRootFilesystem", FIELD_BOOL},
    {"capabilities", FIELD_OBJECT},
    {"seccompProfile", FIELD_OBJECT},
    {"privileged", FIELD_OFF},
    {"procMount", FIELD_OFF},
    {"seLinuxOptions", FIELD_OFF},
    {"windowsOptions", FIELD_OFF},
    {"appArmorProfile", FIELD_OFF},
};
static const struct field_row capability_fields[] = {{"drop", FIELD_LIST}, {"add", FIELD_OFF}};
static const struct field_row resource_fields[] = {
    {"limits", FIELD_OBJECT}, {"requests", FIELD_OBJECT}, {"claims", FIELD_OFF}};
static const struct field_row mount_fields[] = {
    {"name", FIELD_TEXT},
    {"mountPath", FIELD_TEXT},
    {"subPath", FIELD_TEXT},
    {"readOnly", FIELD_BOOL},
    {"subPathExpr", FIELD_OFF},
    {"mountPropagation", FIELD_OFF},
    {"recursiveReadOnly", FIELD_OFF},
};
static const struct field_row env_fields[] = {
    {"name", FIELD_TEXT}, {"value", FIELD_TEXT}, {"valueFrom", FIELD_OFF}};

#define FIELDS(causes, object, path, rows)                                                         \
    check_causes_fields(causes, object, path, rows, (unsigned)ARRAY_LEN(rows))

bool container_check_quantity(const struct json_t *value, bool milli, int64_t *out)
{
    char number[32];
    const char *text = json_text(value);

    if (json_is_integer(value)) {
        snprintf(number, sizeof number, "%lld", (long long)json_int(value, 0));
        text = number;
    }
    if (!text ||
        (milli ? quantity_parse_milli(text, out, NULL) : quantity_parse(text, out, NULL)) < 0)
        return false;
    return *out >= 0;
}

void container_check_seccomp(struct json_t *causes, const struct json_t *security, const char *path)
{
    const struct json_t *profile = json_get(security, "seccompProfile");
    const char *type = json_get_text(profile, "type", "");
    char field[200];

    if (!profile || strcmp(type, "RuntimeDefault") == 0)
        return;
    snprintf(field, sizeof field, "%s.seccompProfile.type", path);
    check_causes_add(causes, "FieldValueNotSupported", field,
                     "Unsupported value: \"%.40s\": supported values: \"RuntimeDefault\"", type);
}

/* Requests follow the limits where they are missing. */
void container_check_defaults(struct json_t *container)
{
    struct json_t *resources = json_get(container, "resources");
    struct json_t *limits = json_get(resources, "limits");
    struct json_t *requests = json_get(resources, "requests");
    const char *key = NULL;
    struct json_t *value = NULL;
    void *it = NULL;

    if (!json_is_object(container))
        return;
    if (!resources)
        json_set(container, "resources", json_new_object());
    if (!json_get(container, "imagePullPolicy"))
        json_set_text(container, "imagePullPolicy", "IfNotPresent");
    if (limits && !requests && json_is_object(resources)) {
        requests = json_new_object();
        json_set(resources, "requests", requests);
    }
    while ((it = json_next(limits, it, &key, &value)))
        if (!json_get(requests, key))
            json_set(requests, key, json_copy(value));
}

static void check_quantities(struct json_t *causes, const struct json_t *map, const char *path)
{
    const char *key = NULL;
    struct json_t *value = NULL;
    void *it = NULL;

    while ((it = json_next(map, it, &key, &value))) {
        int64_t amount = 0;

        if (strcmp(key, "cpu") != 0 && strcmp(key, "memory") != 0 &&
            strcmp(key, "ephemeral-storage") != 0)
            check_causes_add(causes, "FieldValueNotSupported", path,
                             "Unsupported value: \"%.60s\": supported values: \"cpu\", \"memory\", "
                             "\"ephemeral-storage\"",
                             key);
        else if (!container_check_quantity(value, key[0] == 'c', &amount))
            check_causes_invalid(causes, path, key, "is no quantity");
    }
}

static void check_resources(struct json_t *causes, const struct json_t *resources, const char *path)
{
    static const char *const bounded[] = {"cpu", "memory"};

    if (!resources || !FIELDS(causes, resources, path, resource_fields))
        return;
    check_quantities(causes, json_get(resources, "limits"), path);
    check_quantities(causes, json_get(resources, "requests"), path);
    for (size_t i = 0; i < ARRAY_LEN(bounded); i++) {
        int64_t limit = 0, request = 0;

        if (container_check_quantity(json_at(resources, "limits", bounded[i], NULL), i == 0,
                                     &limit) &&
            container_check_quantity(json_at(resources, "requests", bounded[i], NULL), i == 0,
                                     &request) &&
            request > limit)
            check_causes_add(causes, "FieldValueInvalid", path,
                             "Invalid value: must be less than or equal to %s limit", bounded[i]);
    }
}

static bool is_clean_path(const char *path, bool absolute)
{
    if (absolute != (path[0] == '/') || strlen(path) > 1000 || !*path || (absolute && !path[1]))
        return false;
    for (const char *p = path; (p = strstr(p, "..")); p += 2)
        if ((p == path || p[-1] == '/') && (p[2] == '/' || p[2] == '\0'))
            return false;
    return strchr(path, ':') == NULL;
}

static void check_mount(const struct container_check_args *a, const struct json_t *mount,
                        const char *path)
{
    const struct json_t *volumes = json_at(a->pod, "spec", "volumes", NULL);
    const char *name = json_get_text(mount, "name", "");
    const char *sub = json_get_text(mount, "subPath", "");
    bool found = false;

    if (!FIELDS(a->causes, mount, path, mount_fields))
        return;
    for (size_t i = 0; i < json_count(volumes); i++)
        found = found || strcmp(json_get_text(json_item(volumes, i), "name", ""), name) == 0;
    if (!found)
        check_causes_add(a->causes, "FieldValueNotFound", path, "Not found: \"%.63s\"", name);
    if (!is_clean_path(json_get_text(mount, "mountPath", ""), true))
        check_causes_invalid(a->causes, path, json_get_text(mount, "mountPath", ""),
                             "mountPath must be an absolute path without '..' and ':'");
    /* One segment is all that is needed, and a volume's writer cannot plant a link in the middle of
     * it. */
    if (*sub && (!is_clean_path(sub, false) || strchr(sub, '/')))
        check_causes_invalid(a->causes, path, sub, "subPath must be one name on this node");
}

static void check_texts(struct json_t *causes, const struct json_t *list, const char *path,
                        const char *key)
{
    for (size_t i = 0; i < json_count(list); i++) {
        char field[200];

        snprintf(field, sizeof field, "%s.%s[%zu]", path, key, i);
        if (!json_text(json_item(list, i)))
            check_causes_add(causes, "FieldValueTypeInvalid", field,
                             "Invalid value: must be a string");
    }
}

static void check_env(struct json_t *causes, const struct json_t *env, const char *path)
{
    for (size_t i = 0; i < json_count(env); i++) {
        const struct json_t *row = json_item(env, i);
        char field[200];

        snprintf(field, sizeof field, "%s.env[%zu]", path, i);
        if (FIELDS(causes, row, field, env_fields) && !names_is_env(json_get_text(row, "name", "")))
            check_causes_invalid(causes, field, json_get_text(row, "name", ""),
                                 "is no variable's name");
    }
    if (json_count(env) > ENV_MAX)
        check_causes_add(causes, "FieldValueTooMany", path, "Too many: at most %d variables",
                         ENV_MAX);
}

static int64_t effective_user(const struct container_check_args *a, const struct json_t *security)
{
    int64_t pod_user = json_int(json_at(a->pod, "spec", "securityContext", "runAsUser", NULL), 0);

    return json_int(json_get(security, "runAsUser"), pod_user);
}

static void check_security(const struct container_check_args *a, const struct json_t *security,
                           const char *path)
{
    const struct json_t *pod_security = json_at(a->pod, "spec", "securityContext", NULL);
    const struct json_t *non_root = json_get(security, "runAsNonRoot");
    const struct json_t *capabilities = json_get(security, "capabilities");
    char field[200];

    snprintf(field, sizeof field, "%s.securityContext", path);
    if (security && !FIELDS(a->causes, security, field, security_fields))
        return;
    if (capabilities) {
        char inner[220];

        snprintf(inner, sizeof inner, "%s.capabilities", field);
        FIELDS(a->causes, capabilities, inner, capability_fields);
    }
    container_check_seccomp(a->causes, security, field);
    if (!json_true(json_get(security, "readOnlyRootFilesystem")))
        check_causes_add(a->causes, "FieldValueRequired", field,
                         "Required value: readOnlyRootFilesystem must be true: "
                         "root file systems are shared on this node");
    if (json_true(non_root ? non_root : json_get(pod_security, "runAsNonRoot")) &&
        effective_user(a, security) == 0)
        check_causes_invalid(a->causes, field, "0", "runAsUser is root, runAsNonRoot is set");
    if (effective_user(a, security) > INT32_MAX)
        check_causes_invalid(a->causes, field, "runAsUser", "must be at most 2147483647");
}

static void check_runnable(const struct container_check_args *a, const struct json_t *c,
                           const char *path)
{
    const char *image = json_get_text(c, "image", "");
    char field[200];

    snprintf(field, sizeof field, "%s.image", path);
    if (!*image)
        check_causes_required(a->causes, field, "");
    else if (!config_map_get(a->node->images, image))
        check_causes_invalid(a->causes, field, image, "this node does not have the image");
    snprintf(field, sizeof field, "%s.command", path);
    if (json_count(json_get(c, "command")) == 0)
        check_causes_required(a->causes, field, "images of this node have no entrypoint");
    check_security(a, json_get(c, "securityContext"), path);
}

static void check_container(const struct container_check_args *a, const struct json_t *c,
                            const char *path, bool init)
{
    const struct json_t *mounts = json_get(c, "volumeMounts");
    char field[200];

    if (!FIELDS(a->causes, c, path, container_fields))
        return;
    snprintf(field, sizeof field, "%s.name", path);
    if (!names_is_label(json_get_text(c, "name", "")))
        check_causes_invalid(a->causes, field, json_get_text(c, "name", ""),
                             "is no DNS-1123 label");
    if (!init || !pod_check_is_agent(a->node, c))
        check_runnable(a, c, path);
    check_texts(a->causes, json_get(c, "command"), path, "command");
    check_texts(a->causes, json_get(c, "args"), path, "args");
    check_env(a->causes, json_get(c, "env"), path);
    snprintf(field, sizeof field, "%s.resources", path);
    check_resources(a->causes, json_get(c, "resources"), field);
    if (json_count(mounts) > MOUNTS_MAX)
        check_causes_add(a->causes, "FieldValueTooMany", path, "Too many: at most %d mounts",
                         MOUNTS_MAX);
    for (size_t i = 0; i < json_count(mounts) && i < MOUNTS_MAX; i++) {
        snprintf(field, sizeof field, "%s.volumeMounts[%zu]", path, i);
        check_mount(a, json_item(mounts, i), field);
    }
}

void container_check_list(const struct container_check_args *a, const struct json_t *list,
                          const char *path, bool init)
{
    if (json_count(list) > INIT_CONTAINERS_MAX)
        check_causes_add(a->causes, "FieldValueTooMany", path, "Too many: must have at most %d",
                         INIT_CONTAINERS_MAX);
    for (size_t i = 0; i < json_count(list) && i < INIT_CONTAINERS_MAX; i++) {
        char field[80];

        snprintf(field, sizeof field, "%s[%zu]", path, i);
        check_container(a, json_item(list, i), field, init);
    }
}
