#include "unit.h"

#include "base/json.h"
#include "clusters/kube_object.h"

static struct json_t *json(const char *text)
{
    struct err err = {0};
    struct json_t *j = json_parse(slice_of(text), &err);

    if (!j)
        fail_msg("%s", err.msg);
    return j;
}

static struct kube_pod *pod(const char *text)
{
    struct err err = {0};
    struct json_t *j = json(text);
    struct kube_pod *p = kube_pod_parse(j, &err);

    json_free(j);
    if (!p)
        fail_msg("%s", err.msg);
    return p;
}

static void reads_a_session_pod(void **state)
{
    struct kube_pod *p =
        pod("{\"metadata\":{\"name\":\"s1\",\"namespace\":\"boxes\",\"uid\":\"u-1\","
            "\"resourceVersion\":\"17\","
            "\"creationTimestamp\":\"2026-01-02T03:04:05Z\",\"labels\":{\"spillway.dev/"
            "session\":\"s1\"},"
            "\"annotations\":{\"spillway.dev/tenant\":\"t\",\"spillway.dev/"
            "epoch\":\"e\",\"spillway.dev/nonce\":\"n\","
            "\"spillway.dev/fingerprint\":\"f\",\"spillway.dev/spec\":\"{}\","
            "\"spillway.dev/deadline\":\"2026-01-02T04:04:05.678Z\"}},"
            "\"spec\":{\"nodeName\":\"n1\",\"overhead\":{\"cpu\":\"250m\",\"memory\":\"120Mi\"},"
            "\"initContainers\":["
            "{\"resources\":{\"requests\":{\"cpu\":\"2\",\"memory\":\"1Mi\"}}},"
            "{\"restartPolicy\":\"Always\",\"resources\":{\"requests\":{\"cpu\":\"100m\"}}},"
            "{\"resources\":{\"requests\":{\"cpu\":\"1950m\"}}}],"
            "\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"500m\",\"memory\":\"64Mi\"}}},"
            "{\"resources\":{\"requests\":{\"cpu\":1,\"memory\":\"64Mi\",\"ephemeral-storage\":"
            "\"1Gi\"}}}]},"
            "\"status\":{\"phase\":\"Running\",\"podIP\":\"10.0.0.7\",\"conditions\":["
            "{\"type\":\"PodScheduled\",\"status\":\"True\"},"
            "{\"type\":\"Ready\",\"status\":\"True\",\"lastTransitionTime\":\"2026-01-02T03:04:"
            "06Z\"}]}}");

    (void)state;
    assert_string_equal(p->name, "s1");
    assert_string_equal(p->namespace_name, "boxes");
    assert_string_equal(p->uid, "u-1");
    assert_string_equal(p->resource_version, "17");
    assert_string_equal(p->node_name, "n1");
    assert_string_equal(p->pod_ip, "10.0.0.7");
    assert_int_equal(p->phase, KUBE_RUNNING);
    assert_true(p->ready && kube_pod_alive(p));
    assert_false(p->terminating || p->unschedulable || p->image_error || p->oom_killed);
    assert_int_equal(p->exit_code, -1);
    assert_int_equal(p->created_wall_ms, 1767323045000);
    assert_int_equal(p->ready_wall_ms, 1767323046000);
    assert_int_equal(p->marks.deadline_wall_ms, 1767326645678);
    assert_string_equal(p->marks.session_id, "s1");
    assert_string_equal(p->marks.tenant, "t");
    /* The third init container beside the sidecar: 2050m, more than 1500m + 100m; then the
     * overhead. */
    assert_int_equal(p->requests.millicpu, 2050 + 250);
    assert_int_equal(p->requests.memory_bytes, (int64_t)(128 + 120) << 20);
    assert_int_equal(p->requests.ephemeral_bytes, (int64_t)1 << 30);
    assert_int_equal(p->requests.pods, 1);
    kube_pod_free(&p);
    assert_null(p);
}

static void tells_what_went_wrong(void **state)
{
    struct kube_pod *p;

    (void)state;
    p = pod("{\"metadata\":{\"name\":\"a\"},\"status\":{\"conditions\":[{\"type\":\"PodScheduled\","
            "\"status\":\"False\",\"reason\":\"Unschedulable\",\"message\":\"0/1 nodes\"}]}}");
    assert_true(p->unschedulable);
    assert_int_equal(p->phase, KUBE_PENDING);
    assert_string_equal(p->reason, "Unschedulable");
    assert_string_equal(p->message, "0/1 nodes");
    assert_string_equal(p->uid, "");
    kube_pod_free(&p);

    p = pod(
        "{\"metadata\":{\"name\":\"a\"},\"status\":{\"phase\":\"Pending\",\"containerStatuses\":[{"
        "\"state\":{\"waiting\":{\"reason\":\"PodInitializing\"}}}],\"initContainerStatuses\":[{"
        "\"state\":{\"waiting\":{\"reason\":\"ImagePullBackOff\",\"message\":\"no\"}}}]}}");
    assert_true(p->image_error);
    assert_string_equal(p->reason, "ImagePullBackOff");
    kube_pod_free(&p);

    p = pod("{\"metadata\":{\"name\":\"a\",\"deletionTimestamp\":\"2026-01-02T03:04:05Z\"},"
            "\"status\":{\"phase\":\"Failed\",\"containerStatuses\":[{\"state\":{\"terminated\":{"
            "\"reason\":\"OOMKilled\",\"exitCode\":137}}}],\"initContainerStatuses\":[{\"state\":{"
            "\"terminated\":{\"reason\":\"Completed\",\"exitCode\":0}}}]}}");
    assert_true(p->oom_killed && p->terminating);
    assert_false(kube_pod_alive(p));
    assert_int_equal(p->exit_code, 137);
    assert_string_equal(p->reason, "OOMKilled");
    kube_pod_free(&p);

    p = pod(
        "{\"metadata\":{\"name\":\"a\"},\"status\":{\"phase\":\"Failed\",\"reason\":\"Evicted\","
        "\"message\":\"The node was low on resource: memory.\"}}");
    assert_true(p->evicted);
    assert_string_equal(p->reason, "Evicted");
    kube_pod_free(&p);
}

static void reads_nodes(void **state)
{
    struct err err = {0};
    struct json_t *j =
        json("{\"metadata\":{\"name\":\"n1\",\"uid\":\"u\",\"resourceVersion\":\"3\"},\"spec\":{"
             "\"unschedulable\":true,"
             "\"taints\":[{\"key\":\"x\",\"effect\":\"PreferNoSchedule\"}]},\"status\":{"
             "\"allocatable\":{\"cpu\":\"3920m\","
             "\"memory\":\"7Gi\",\"pods\":\"110\",\"ephemeral-storage\":\"47093746742\"},"
             "\"conditions\":[{\"type\":\"MemoryPressure\",\"status\":\"False\"},{\"type\":"
             "\"Ready\",\"status\":\"True\"}]}}");
    struct kube_node *n = kube_node_parse(j, &err);

    (void)state;
    assert_non_null(n);
    assert_true(n->ready && n->unschedulable);
    assert_false(n->tainted);
    assert_int_equal(n->allocatable.millicpu, 3920);
    assert_int_equal(n->allocatable.memory_bytes, (int64_t)7 << 30);
    assert_int_equal(n->allocatable.pods, 110);
    kube_node_free(&n);
    json_free(j);
    j = json("{\"metadata\":{\"name\":\"n\"},\"spec\":{\"taints\":[{\"effect\":\"NoExecute\"}]},"
             "\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"Unknown\"}]}}");
    n = kube_node_parse(j, &err);
    assert_true(n->tainted);
    assert_false(n->ready);
    kube_node_free(&n);
    json_free(j);
}

static void refuses_what_is_none(void **state)
{
    static const char *const TEXTS[] = {
        "{}",
        "[]",
        "{\"metadata\":{\"name\":7}}",
        "{\"metadata\":{\"name\":\"\"}}",
        "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"containers\":[{\"resources\":{\"requests\":{"
        "\"cpu\":\"x\"}}}]}}",
        "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"containers\":[{\"resources\":{\"requests\":{"
        "\"cpu\":-1}}}]}}",
        "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"overhead\":{\"memory\":[]}}}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++) {
        struct err err = {0};
        struct json_t *j = json(TEXTS[i]);
        assert_null(kube_pod_parse(j, &err));
        assert_true(err.msg[0] != '\0');
        json_free(j);
    }
}

static void times(void **state)
{
    static const char *const BAD[] = {
        "",
        "2026-01-02",
        "2026-13-02T03:04:05Z",
        "2026-01-32T03:04:05Z",
        "2026-01-02T24:04:05Z",
        "2026-01-02T03:04:05",
        "2026-01-02T03:04:05.Z",
        "2026-01-02T03:04:05Zx",
        "x",
    };
    int64_t ms = 0;
    char text[32];

    (void)state;
    assert_true(kube_time_parse("1970-01-01T00:00:00Z", &ms));
    assert_int_equal(ms, 0);
    assert_true(kube_time_parse("2026-01-02T03:04:05.678901Z", &ms));
    assert_int_equal(ms, 1767323045678);
    assert_true(kube_time_parse("2026-01-02T05:04:05+02:00", &ms));
    assert_int_equal(ms, 1767323045000);
    kube_time_print(1767323045678, text);
    assert_string_equal(text, "2026-01-02T03:04:05.678Z");
    kube_time_print(-1, text);
    assert_string_equal(text, "1969-12-31T23:59:59.999Z");
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++)
        assert_false(kube_time_parse(BAD[i], &ms));
    assert_false(kube_time_parse(NULL, &ms));
}

static void versions(void **state)
{
    (void)state;
    assert_true(kube_version_older("9", "10"));
    assert_true(kube_version_older("10", "11"));
    assert_false(kube_version_older("11", "11"));
    assert_false(kube_version_older("12", "11"));
    assert_false(kube_version_older("abc", "11"));
    assert_false(kube_version_older("9", "0x10"));
    assert_false(kube_version_older("", "1"));
    assert_false(kube_version_older("01", "2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_session_pod),
        cmocka_unit_test(tells_what_went_wrong),
        cmocka_unit_test(reads_nodes),
        cmocka_unit_test(refuses_what_is_none),
        cmocka_unit_test(times),
        cmocka_unit_test(versions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
