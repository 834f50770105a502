#include "unit.h"

#include "base/config.h"
#include "base/json.h"
#include "clusters/embedded/pod_check.h"
#include "clusters/kube_object.h"
#include "clusters/pod_manifest.h"

static int64_t agent_port;

static struct json_t *build_all(const char *runtime_class, const char *agent_image, bool fast)
{
    struct json_t *spec = json_build("{s:s}", "environment", "python");
    struct json_t *limits = json_build("{s:i}", "pids", 64);
    const struct pod_manifest m = {
        .session_id = "s1",
        .namespace_name = "boxes",
        .site = "here",
        .tenant = "t",
        .epoch = "e",
        .nonce = "n",
        .token_sha256 = "abc",
        .fingerprint = "f",
        .deadline_wall_ms = 1767323045678,
        .lifetime_max_s = 3700,
        .spec = spec,
        .image = "spillway/python",
        .agent_image = agent_image,
        .fast = fast,
        .agent_port = agent_port,
        .runtime_class = runtime_class,
        .millicpu = 500,
        .memory_bytes = (int64_t)256 << 20,
        .disk_bytes = (int64_t)64 << 20,
        .pids = 64,
        .limits = limits,
    };
    struct json_t *pod = pod_manifest_build(&m);

    json_free(spec);
    json_free(limits);
    return pod;
}

static struct json_t *build_with(const char *runtime_class, const char *agent_image)
{
    return build_all(runtime_class, agent_image, false);
}

static struct json_t *build(const char *runtime_class)
{
    return build_with(runtime_class, "spillway/agent");
}

static const char *text_at(const struct json_t *j, const char *key)
{
    return json_get_text(j, key, "(none)");
}

static void comes_back_as_the_session(void **state)
{
    struct err err = {0};
    struct json_t *pod = build(NULL);
    struct kube_pod *p = kube_pod_parse(pod, &err);

    (void)state;
    assert_non_null(p);
    assert_string_equal(p->name, "s1");
    assert_string_equal(p->namespace_name, "boxes");
    assert_string_equal(p->marks.session_id, "s1");
    assert_string_equal(p->marks.tenant, "t");
    assert_string_equal(p->marks.epoch, "e");
    assert_string_equal(p->marks.nonce, "n");
    assert_string_equal(p->marks.fingerprint, "f");
    assert_string_equal(p->marks.spec_json, "{\"environment\":\"python\"}");
    assert_int_equal(p->marks.deadline_wall_ms, 1767323045678);
    assert_int_equal(p->requests.millicpu, 500);
    assert_int_equal(p->requests.memory_bytes, (int64_t)320 << 20);
    kube_pod_free(&p);
    json_free(pod);
}

static void is_walled(const struct json_t *container)
{
    struct json_t *c = json_get(container, "securityContext");

    assert_true(json_is_bool(json_get(c, "allowPrivilegeEscalation")));
    assert_false(json_true(json_get(c, "allowPrivilegeEscalation")));
    assert_true(json_true(json_get(c, "readOnlyRootFilesystem")));
    assert_true(json_true(json_get(c, "runAsNonRoot")));
    assert_int_equal(json_int(json_get(c, "runAsUser"), 0), 1000);
    assert_string_equal(json_text(json_item(json_at(c, "capabilities", "drop", NULL), 0)), "ALL");
    assert_string_equal(text_at(json_get(c, "seccompProfile"), "type"), "RuntimeDefault");
    assert_string_equal(text_at(container, "imagePullPolicy"), "IfNotPresent");
    struct json_t *r = json_get(container, "resources");
    assert_string_equal(text_at(json_get(r, "requests"), "cpu"),
                        text_at(json_get(r, "limits"), "cpu"));
    assert_string_equal(text_at(json_get(r, "requests"), "memory"),
                        text_at(json_get(r, "limits"), "memory"));
}

static void the_agent_listens_where_it_is_asked(void **state)
{
    static const struct {
        int64_t asked, port;
        const char *listen;
    } CASES[] = {{0, 8700, "(none)"}, {8700, 8700, "(none)"}, {9000, 9000, "0.0.0.0:9000"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        agent_port = CASES[i].asked;
        struct json_t *pod = build(NULL);
        struct json_t *sandbox = json_item(json_at(pod, "spec", "containers", NULL), 0);
        struct json_t *port = json_item(json_get(sandbox, "ports"), 0);
        assert_int_equal(json_int(json_get(port, "containerPort"), 0), CASES[i].port);
        struct json_t *listen = json_item(json_get(sandbox, "env"), 4);
        assert_string_equal(text_at(listen, "value"), CASES[i].listen);
        if (listen)
            assert_string_equal(text_at(listen, "name"), "SPILLWAY_AGENT_LISTEN");
        json_free(pod);
    }
    agent_port = 0;
}

static void keeps_the_restricted_standard(void **state)
{
    struct json_t *pod = build("gvisor");
    struct json_t *spec = json_get(pod, "spec");
    struct json_t *sandbox = json_item(json_get(spec, "containers"), 0);

    (void)state;
    assert_string_equal(text_at(spec, "restartPolicy"), "Never");
    assert_string_equal(text_at(spec, "runtimeClassName"), "gvisor");
    assert_false(json_true(json_get(spec, "automountServiceAccountToken")));
    assert_false(json_true(json_get(spec, "enableServiceLinks")));
    assert_non_null(json_get(spec, "automountServiceAccountToken"));
    assert_non_null(json_get(spec, "enableServiceLinks"));
    assert_int_equal(json_int(json_get(spec, "terminationGracePeriodSeconds"), -1), 2);
    assert_int_equal(json_int(json_get(spec, "activeDeadlineSeconds"), -1), 3700);
    assert_int_equal(json_int(json_at(spec, "securityContext", "fsGroup", NULL), -1), 1000);
    assert_int_equal(json_count(json_get(spec, "containers")), 1);
    assert_string_equal(text_at(sandbox, "name"), "sandbox");
    is_walled(sandbox);
    is_walled(json_item(json_get(spec, "initContainers"), 0));
    assert_int_equal(json_count(json_get(sandbox, "volumeMounts")), 5);
    assert_int_equal(json_count(json_get(sandbox, "env")), 4);
    struct json_t *scratch = json_get(json_item(json_get(spec, "volumes"), 1), "emptyDir");
    assert_string_equal(text_at(scratch, "medium"), "Memory");
    assert_string_equal(text_at(scratch, "sizeLimit"), "67108864");
    assert_string_equal(text_at(json_at(pod, "metadata", "annotations", NULL), "spillway.dev/pids"),
                        "64");
    json_free(pod);
}

/* Our own node refuses each field that it does not know: two hands wrote the two sides. */
static void is_taken_by_the_embedded_node(void **state)
{
    const char *images[] = {"spillway/python", "spillway/agent"};
    const struct config_map map = {images, images, 2};
    const struct pod_check_node node = {
        .images = &map, .agent_image = "spillway/agent", .agent_dir = "/x", .node_name = "n"};
    struct json_t *pod = build(NULL);
    struct json_t *causes = pod_check(&node, pod);
    struct json_t *init = json_item(json_at(pod, "spec", "initContainers", NULL), 0);

    (void)state;
    if (json_count(causes) > 0)
        fail_msg("%s: %s", text_at(json_item(causes, 0), "field"),
                 text_at(json_item(causes, 0), "message"));
    assert_true(pod_check_is_agent(&node, init));
    json_free(causes);
    json_free(pod);
}

/* Nothing of the agent's delivery is left: each mounted volume would cost the pod's start some
 * 300 ms on Kubernetes. */
static void agent_that_is_baked_in(void **state)
{
    struct json_t *pod = build_with(NULL, NULL);
    struct json_t *spec = json_get(pod, "spec");
    struct json_t *volumes = json_get(spec, "volumes");
    struct json_t *sandbox = json_item(json_get(spec, "containers"), 0);

    (void)state;
    assert_null(json_get(spec, "initContainers"));
    assert_int_equal(json_count(volumes), 1);
    assert_string_equal(text_at(json_item(volumes, 0), "name"), "scratch");
    for (size_t i = 0; i < json_count(json_get(sandbox, "volumeMounts")); i++)
        assert_string_equal(text_at(json_item(json_get(sandbox, "volumeMounts"), i), "name"),
                            "scratch");
    assert_string_equal(json_text(json_item(json_get(sandbox, "command"), 0)), "/spillway/agent");
    json_free(pod);
}

/* Nothing is mounted; what the workspace takes is asked of the node's disk, not of its memory. */
static void fast_profile(void **state)
{
    struct json_t *pod = build_all(NULL, NULL, true);
    struct json_t *spec = json_get(pod, "spec");
    struct json_t *sandbox = json_item(json_get(spec, "containers"), 0);
    struct json_t *limits = json_at(sandbox, "resources", "limits", NULL);
    struct json_t *walls = json_get(sandbox, "securityContext");

    (void)state;
    assert_null(json_get(spec, "initContainers"));
    assert_int_equal(json_count(json_get(spec, "volumes")), 0);
    assert_int_equal(json_count(json_get(sandbox, "volumeMounts")), 0);
    assert_string_equal(text_at(limits, "memory"), "268435456");
    assert_string_equal(text_at(limits, "ephemeral-storage"), "67108864");
    assert_false(json_true(json_get(walls, "readOnlyRootFilesystem")));
    assert_false(json_true(json_get(walls, "allowPrivilegeEscalation")));
    assert_true(json_true(json_get(walls, "runAsNonRoot")));
    json_free(pod);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_taken_by_the_embedded_node),
        cmocka_unit_test(comes_back_as_the_session),
        cmocka_unit_test(agent_that_is_baked_in),
        cmocka_unit_test(fast_profile),
        cmocka_unit_test(the_agent_listens_where_it_is_asked),
        cmocka_unit_test(keeps_the_restricted_standard),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
