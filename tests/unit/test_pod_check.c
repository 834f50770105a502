#include "unit.h"

#include "base/config.h"
#include "base/json.h"
#include "clusters/embedded/pod_check.h"
#include <stdio.h>

static const char *image_names[] = {"box"};
static const char *image_dirs[] = {"/"};
static const struct config_map images = {image_names, image_dirs, 1};
static const struct pod_check_node node = {&images, "spillway/agent", "/agent", "node-1"};

static const char good[] =
    "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"restartPolicy\":\"Never\",\"containers\":[{"
    "\"name\":\"c\",\"image\":\"box\","
    "\"command\":[\"/a\"],\"resources\":{\"limits\":{\"cpu\":\"1\",\"memory\":\"1Mi\"}},"
    "\"securityContext\":{\"readOnlyRootFilesystem\":true}}]}}";

static struct json_t *parse(const char *text)
{
    struct json_t *j = json_parse_object(slice_of(text), NULL);

    assert_non_null(j);
    return j;
}

/* The fields of the causes, joined by blanks; "" when the pod is taken. */
static void check(struct json_t *pod, char out[1000])
{
    struct json_t *causes = pod_check(&node, pod);

    *out = '\0';
    for (size_t i = 0; i < json_count(causes); i++)
        snprintf(out + strlen(out), 1000 - strlen(out), "%s%s", i ? " " : "",
                 json_get_text(json_item(causes, i), "field", "?"));
    json_free(causes);
}

static void taken_with_defaults(void **state)
{
    struct json_t *pod = parse(good);
    const struct json_t *c = NULL;
    char fields[1000];

    (void)state;
    check(pod, fields);
    assert_string_equal(fields, "");
    c = json_item(json_at(pod, "spec", "containers", NULL), 0);
    assert_string_equal(json_get_text(json_at(c, "resources", "requests", NULL), "cpu", ""), "1");
    assert_int_equal(json_int(json_at(pod, "spec", "terminationGracePeriodSeconds", NULL), 0), 30);
    assert_string_equal(json_get_text(pod, "kind", ""), "Pod");
    json_free(pod);
}

static void refused_by_field(void **state)
{
    static const struct {
        const char *place, *key, *value, *field;
    } SAMPLES[] = {
        {"spec", "hostPID", "true", "spec.hostPID"},
        {"spec", "hostPID", "false", ""},
        {"spec", "affinity", "{}", ""},
        {"spec", "affinity", "{\"x\":1}", "spec.affinity"},
        {"spec", "automountServiceAccountToken", "true", "spec.automountServiceAccountToken"},
        {"spec", "restartPolicy", "\"Always\"", "spec.restartPolicy"},
        {"spec", "nodeName", "\"other\"", "spec.nodeName"},
        {"spec", "terminationGracePeriodSeconds", "-1", "spec.terminationGracePeriodSeconds"},
        {"spec", "activeDeadlineSeconds", "1.5", "spec.activeDeadlineSeconds"},
        {"spec", "volumes", "[{\"name\":\"a\",\"emptyDir\":{}},{\"name\":\"a\",\"emptyDir\":{}}]",
         "spec.volumes[1]"},
        {"spec", "volumes", "[{\"name\":\"../x\",\"emptyDir\":{}}]", "spec.volumes[0].name"},
        {"spec", "hostname", "\"a.b\"", "spec.hostname"},
        {"container", "tty", "true", "spec.containers[0].tty"},
        {"container", "name", "\"../x\"", "spec.containers[0].name"},
        {"container", "command", "[1]", "spec.containers[0].command[0]"},
        {"container", "env", "[{\"name\":\"A=B\",\"value\":\"\"}]", "spec.containers[0].env[0]"},
        {"container", "env", "[{\"name\":\"A\",\"valueFrom\":{\"x\":1}}]",
         "spec.containers[0].env[0].valueFrom"},
        {"container", "image", "\"spillway/agent\"", "spec.containers[0].image"},
        {"security", "readOnlyRootFilesystem", "false", "spec.containers[0].securityContext"},
        {"security", "allowPrivilegeEscalation", "true",
         "spec.containers[0].securityContext.allowPrivilegeEscalation"},
        {"security", "runAsNonRoot", "true", "spec.containers[0].securityContext"},
        {"security", "seccompProfile", "{\"type\":\"Unconfined\"}",
         "spec.containers[0].securityContext.seccompProfile.type"},
        {"security", "capabilities", "{\"add\":[\"NET_RAW\"]}",
         "spec.containers[0].securityContext.capabilities.add"},
        {"metadata", "finalizers", "[\"x\"]", "metadata.finalizers"},
        {"metadata", "labels", "{\"a\":\"b c\"}", "metadata.labels"},
        {"metadata", "labels", "{\"a\":1}", "metadata.labels"},
        {"metadata", "annotations", "{\"a\":\"any thing\"}", ""},
        {"metadata", "name", "\"Upper\"", "metadata.name"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(SAMPLES); i++) {
        struct json_t *pod = parse(good);
        struct json_t *c = json_item(json_at(pod, "spec", "containers", NULL), 0);
        struct json_t *value = json_parse(slice_of(SAMPLES[i].value), NULL);
        char place = SAMPLES[i].place[0];
        char fields[1000];

        assert_non_null(value);
        json_set(place == 'c'                 ? c
                 : place == 'm'               ? json_get(pod, "metadata")
                 : SAMPLES[i].place[1] == 'e' ? json_get(c, "securityContext")
                                              : json_get(pod, "spec"),
                 SAMPLES[i].key, value);
        check(pod, fields);
        if (strcmp(fields, SAMPLES[i].field) != 0)
            fail_msg("%s=%s: \"%s\", not \"%s\"", SAMPLES[i].key, SAMPLES[i].value, fields,
                     SAMPLES[i].field);
        json_free(pod);
    }
}

static void mounts(void **state)
{
    static const struct {
        const char *mount;
        bool good;
    } SAMPLES[] = {
        {"{\"name\":\"v\",\"mountPath\":\"/data\"}", true},
        {"{\"name\":\"v\",\"mountPath\":\"/data\",\"subPath\":\"a..b\"}", true},
        {"{\"name\":\"v\",\"mountPath\":\"data\"}", false},
        {"{\"name\":\"v\",\"mountPath\":\"/\"}", false},
        {"{\"name\":\"v\",\"mountPath\":\"/a/../b\"}", false},
        {"{\"name\":\"v\",\"mountPath\":\"/a\",\"subPath\":\"..\"}", false},
        {"{\"name\":\"v\",\"mountPath\":\"/a\",\"subPath\":\"/a\"}", false},
        {"{\"name\":\"v\",\"mountPath\":\"/a\",\"subPath\":\"a/b\"}", false},
        {"{\"name\":\"w\",\"mountPath\":\"/a\"}", false},
        {"{\"name\":\"v\",\"mountPath\":\"/a\",\"mountPropagation\":\"Bidirectional\"}", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(SAMPLES); i++) {
        struct json_t *pod = parse(good);
        struct json_t *c = json_item(json_at(pod, "spec", "containers", NULL), 0);
        char fields[1000];

        json_set(json_get(pod, "spec"), "volumes",
                 json_build("[{s:s, s:{}}]", "name", "v", "emptyDir"));
        json_set(c, "volumeMounts", json_build("[o]", parse(SAMPLES[i].mount)));
        check(pod, fields);
        if ((*fields == '\0') != SAMPLES[i].good)
            fail_msg("%s: %s", SAMPLES[i].mount, fields);
        json_free(pod);
    }
}

static void agent_container_needs_no_image(void **state)
{
    struct json_t *pod = parse(good);
    char fields[1000];

    (void)state;
    json_set(json_get(pod, "spec"), "initContainers",
             json_build("[{s:s, s:s}]", "name", "install-agent", "image", "spillway/agent"));
    check(pod, fields);
    assert_string_equal(fields, "");
    json_free(pod);
}

static bool patch_ok(const char *text)
{
    struct json_t *pod = json_build("{s:{s:i}}", "spec", "activeDeadlineSeconds", 100);
    struct json_t *patch = parse(text);
    struct json_t *causes = pod_check_patch(pod, patch);
    bool ok = json_count(causes) == 0;

    json_free(causes);
    json_free(patch);
    json_free(pod);
    return ok;
}

static void patches(void **state)
{
    (void)state;
    assert_true(patch_ok("{\"metadata\":{\"labels\":{\"a\":\"b\",\"c\":null},\"uid\":\"x\"}}"));
    assert_true(patch_ok("{\"spec\":{\"activeDeadlineSeconds\":99}}"));
    assert_false(patch_ok("{\"spec\":{\"activeDeadlineSeconds\":101}}"));
    assert_false(patch_ok("{\"spec\":{\"activeDeadlineSeconds\":0}}"));
    assert_false(patch_ok("{\"spec\":{\"activeDeadlineSeconds\":null}}"));
    assert_false(patch_ok("{\"spec\":{\"nodeName\":\"x\"}}"));
    assert_false(patch_ok("{\"status\":{}}"));
    assert_false(patch_ok("{\"metadata\":{\"labels\":{\"a\":\"b c\"}}}"));
    assert_false(patch_ok("{\"metadata\":null}"));
    assert_true(patch_ok("{\"metadata\":{\"labels\":null}}"));
    assert_false(patch_ok("{\"metadata\":{\"labels\":\"x\"}}"));
    assert_false(patch_ok("{\"metadata\":{\"labels\":{\"$patch\":\"delete\"}}}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(taken_with_defaults),
        cmocka_unit_test(refused_by_field),
        cmocka_unit_test(mounts),
        cmocka_unit_test(agent_container_needs_no_image),
        cmocka_unit_test(patches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
