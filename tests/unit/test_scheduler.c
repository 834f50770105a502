#include "unit.h"

#include "base/json.h"
#include "clusters/embedded/scheduler.h"

static struct json_t *pod(const char *cpu, const char *memory, const char *init_cpu)
{
    return json_build("{s:{s:[{s:{s:{s:s,s:s}}}], s:[{s:{s:{s:s}}}]}}", "spec", "containers",
                      "resources", "requests", "cpu", cpu, "memory", memory, "initContainers",
                      "resources", "requests", "cpu", init_cpu);
}

static void requests(void **state)
{
    struct json_t *p = pod("250m", "64Mi", "1");
    struct scheduler_amounts a = scheduler_requests(p);

    (void)state;
    assert_int_equal(a.millicpu, 1000); /* the init container's is larger */
    assert_int_equal(a.memory_bytes, 64 << 20);
    assert_int_equal(a.pods, 1);
    json_set(json_get(p, "spec"), "overhead",
             json_build("{s:s,s:s}", "cpu", "250m", "memory", "1Mi"));
    a = scheduler_requests(p);
    assert_int_equal(a.millicpu, 1250);
    assert_int_equal(a.memory_bytes, 65 << 20);
    json_free(p);
}

static void verdicts(void **state)
{
    static const struct {
        const char *cpu, *memory;
        int64_t used_pods;
        const char *message; /* NULL: fits */
    } SAMPLES[] = {
        {"500m", "1Mi", 0, NULL},
        {"501m", "1Mi", 0, "0/1 nodes are available: 1 Insufficient cpu."},
        {"1m", "2Mi", 0, "0/1 nodes are available: 1 Insufficient memory."},
        {"1", "2Mi", 3,
         "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory, 1 Too many pods."},
        {"1m", "2Mi", 3, "0/1 nodes are available: 1 Insufficient memory, 1 Too many pods."},
        {"0", "0", 3, "0/1 nodes are available: 1 Too many pods."},
    };
    struct scheduler_amounts capacity = {1000, 2 << 20, 3};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(SAMPLES); i++) {
        struct json_t *p = pod(SAMPLES[i].cpu, SAMPLES[i].memory, "0");
        struct scheduler_amounts used = {500, 1 << 20, SAMPLES[i].used_pods};
        char message[300] = "";
        bool fits = scheduler_fits(p, &capacity, &used, NULL, message, sizeof message);

        assert_int_equal(fits, SAMPLES[i].message == NULL);
        if (SAMPLES[i].message)
            assert_string_equal(message, SAMPLES[i].message);
        json_free(p);
    }
}

static void node_selector(void **state)
{
    struct json_t *p = pod("1m", "1", "0");
    struct json_t *labels = json_build("{s:s}", "zone", "a");
    struct scheduler_amounts capacity = {1000, 1000, 1}, used = {0};
    char message[300];

    (void)state;
    json_set(json_get(p, "spec"), "nodeSelector", json_build("{s:s}", "zone", "a"));
    assert_true(scheduler_fits(p, &capacity, &used, labels, message, sizeof message));
    json_set(json_get(p, "spec"), "nodeSelector", json_build("{s:s}", "zone", "b"));
    assert_false(scheduler_fits(p, &capacity, &used, labels, message, sizeof message));
    assert_non_null(strstr(message, "node affinity/selector"));
    json_free(p);
    json_free(labels);
}

static void counting(void **state)
{
    struct json_t *p =
        json_build("{s:{s:s}, s:{s:s}}", "spec", "nodeName", "n", "status", "phase", "Running");

    (void)state;
    assert_true(scheduler_counts(p));
    json_set_text(json_get(p, "status"), "phase", "Failed");
    assert_false(scheduler_counts(p));
    json_set_text(json_get(p, "status"), "phase", "Pending");
    json_remove(json_get(p, "spec"), "nodeName");
    assert_false(scheduler_counts(p));
    json_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests),
        cmocka_unit_test(verdicts),
        cmocka_unit_test(node_selector),
        cmocka_unit_test(counting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
