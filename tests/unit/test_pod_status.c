#include "unit.h"

#include "base/json.h"
#include "clusters/embedded/pod_status.h"

static struct json_t *pod(void)
{
    return json_build("{s:{s:s}, s:{s:[{s:s,s:s,s:{s:{s:s,s:s},s:{s:s,s:s}}}]}}", "metadata", "uid",
                      "u", "spec", "containers", "name", "c", "image", "i", "resources", "limits",
                      "cpu", "1", "memory", "1Mi", "requests", "cpu", "1", "memory", "1024Ki");
}

static const struct json_t *condition(const struct json_t *p, const char *type)
{
    const struct json_t *list = json_at(p, "status", "conditions", NULL);

    for (size_t i = 0; i < json_count(list); i++)
        if (strcmp(json_get_text(json_item(list, i), "type", ""), type) == 0)
            return json_item(list, i);
    return NULL;
}

static void unschedulable(void **state)
{
    struct json_t *p = pod();
    struct pod_status s = {
        .phase = "Pending", .pod_ip = "", .host_ip = "", .unschedulable = "0/1 nodes"};

    (void)state;
    pod_status_write(p, &s, 0);
    assert_string_equal(json_get_text(condition(p, "PodScheduled"), "reason", ""), "Unschedulable");
    assert_string_equal(json_get_text(condition(p, "PodScheduled"), "message", ""), "0/1 nodes");
    assert_null(condition(p, "Ready"));
    assert_null(json_at(p, "status", "containerStatuses", NULL));
    json_free(p);
}

static void transitions_keep_their_time(void **state)
{
    struct json_t *p = pod();
    struct pod_status s = {.phase = "Running",
                           .pod_ip = "10.0.0.1",
                           .host_ip = "",
                           .scheduled = true,
                           .initialized = true,
                           .ready = true,
                           .started_wall_ms = 1000};

    (void)state;
    s.containers[0] =
        (struct pod_status_container){.run = POD_RUN_RUNNING, .started_wall_ms = 2000};
    pod_status_write(p, &s, 3000);
    s.ready = false;
    pod_status_write(p, &s, 9000);
    assert_string_equal(json_get_text(condition(p, "Ready"), "lastTransitionTime", ""),
                        "1970-01-01T00:00:09Z");
    assert_string_equal(json_get_text(condition(p, "PodScheduled"), "lastTransitionTime", ""),
                        "1970-01-01T00:00:03Z");
    assert_string_equal(json_get_text(json_get(p, "status"), "startTime", ""),
                        "1970-01-01T00:00:01Z");
    assert_string_equal(json_get_text(json_get(p, "status"), "podIP", ""), "10.0.0.1");
    json_free(p);
}

static void ended(void **state)
{
    struct json_t *p = pod();
    struct pod_status s = {
        .phase = "Failed", .pod_ip = "", .host_ip = "", .scheduled = true, .initialized = true};
    const struct json_t *t = NULL;

    (void)state;
    s.containers[0] = (struct pod_status_container){
        .run = POD_RUN_ENDED, .reason = "OOMKilled", .exit_code = 137, .signal = 9};
    pod_status_write(p, &s, 0);
    t = json_at(json_item(json_at(p, "status", "containerStatuses", NULL), 0), "state",
                "terminated", NULL);
    assert_int_equal(json_int(json_get(t, "exitCode"), 0), 137);
    assert_string_equal(json_get_text(t, "reason", ""), "OOMKilled");
    assert_string_equal(json_get_text(condition(p, "Ready"), "reason", ""), "PodFailed");
    json_free(p);
}

static void quality_of_service(void **state)
{
    struct json_t *p = pod();
    struct json_t *c = json_item(json_at(p, "spec", "containers", NULL), 0);

    (void)state;
    assert_string_equal(pod_status_qos(p), "Guaranteed");
    json_remove(json_at(c, "resources", "limits", NULL), "cpu");
    assert_string_equal(pod_status_qos(p), "Burstable");
    json_remove(c, "resources");
    assert_string_equal(pod_status_qos(p), "BestEffort");
    json_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unschedulable),
        cmocka_unit_test(transitions_keep_their_time),
        cmocka_unit_test(ended),
        cmocka_unit_test(quality_of_service),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
