/* What a change of a pod tells: the embedded node's events. */
#include "unit.h"

#include "base/json.h"
#include "clusters/embedded/node_events.h"
#include "clusters/embedded/pod_status.h"

#include <stdio.h>

static char told[2000];

static void note(const struct node_event *e, void *user)
{
    size_t len = strlen(told);

    (void)user;
    snprintf(told + len, sizeof told - len, "%s%s%s ", e->reason, e->warning ? "!" : "",
             e->scheduler ? "*" : "");
}

static struct json_t *pod(void)
{
    return json_build("{s:{s:s, s:s}, s:{s:[{s:s}], s:[{s:s}, {s:s}]}}", "metadata", "name", "p",
                      "namespace", "n", "spec", "containers", "name", "main", "initContainers",
                      "name", "agent", "name", "prepare");
}

/* The pod with another status, and what the way there told. */
static void step(struct json_t **now, const struct pod_status *status, const char *expected)
{
    struct json_t *next = json_copy(*now);

    pod_status_write(next, status, 1000);
    *told = '\0';
    node_events_compare(*now, next, "node-1", note, NULL);
    assert_string_equal(told, expected);
    json_free(*now);
    *now = next;
}

static void a_life(void **state)
{
    struct json_t *now = pod(), *next = NULL;
    struct pod_status s = {.phase = "Pending", .pod_ip = "", .host_ip = "", .init_count = 2};

    (void)state;
    step(&now, &s, "");
    s.unschedulable = "0/1 nodes are available";
    step(&now, &s, "FailedScheduling!* ");
    step(&now, &s, "");
    s.unschedulable = NULL;
    s.scheduled = true;
    step(&now, &s, "Scheduled* ");
    s.containers[0].run = POD_RUN_ENDED; /* the agent's: satisfied without running */
    s.containers[1].run = POD_RUN_RUNNING;
    step(&now, &s, "Pulled Created Started ");
    s.containers[1].run = POD_RUN_ENDED;
    step(&now, &s, "");
    s.containers[2].run = POD_RUN_RUNNING;
    s.phase = "Running";
    step(&now, &s, "Pulled Created Started ");
    step(&now, &s, "");
    next = json_copy(now);
    json_set_text(json_get(next, "metadata"), "deletionTimestamp", "2026-01-01T00:00:00Z");
    *told = '\0';
    node_events_compare(now, next, "node-1", note, NULL);
    assert_string_equal(told, "Killing ");
    json_free(now);
    now = next;
    s.containers[2].run = POD_RUN_ENDED;
    s.phase = "Failed";
    s.reason = "DeadlineExceeded";
    step(&now, &s, "DeadlineExceeded ");
    json_free(now);
}

static void a_failed_start(void **state)
{
    struct json_t *now = pod();
    struct pod_status s = {
        .phase = "Pending", .pod_ip = "", .host_ip = "", .init_count = 2, .scheduled = true};

    (void)state;
    step(&now, &s, "Scheduled* ");
    s.containers[0].run = POD_RUN_ENDED;
    s.containers[0].reason = "StartError";
    s.phase = "Failed";
    step(&now, &s, "Failed! ");
    json_free(now);
}

/* A pod that the node finds again when it starts has no state before: it is told as it is. */
static void from_nothing(void **state)
{
    struct json_t *now = pod();
    struct pod_status s = {
        .phase = "Running", .pod_ip = "", .host_ip = "", .init_count = 0, .scheduled = true};

    (void)state;
    s.containers[0].run = POD_RUN_RUNNING;
    json_remove(json_get(now, "spec"), "initContainers");
    pod_status_write(now, &s, 1000);
    *told = '\0';
    node_events_compare(NULL, now, "node-1", note, NULL);
    assert_string_equal(told, "Scheduled* Pulled Created Started ");
    json_free(now);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_life),
        cmocka_unit_test(a_failed_start),
        cmocka_unit_test(from_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
