#include "unit.h"

#include "sandbox/agent_limits.h"

static void defaults_and_what_is_given(void **state)
{
    (void)state;
    struct agent_limits l;
    struct err err = {0};
    assert_int_equal(agent_limits_parse(&l, NULL, &err), 0);
    assert_int_equal(l.execution_ms, 10000);
    assert_int_equal(l.output_bytes, 1048576);
    assert_int_equal(l.body_rate, 65536);
    assert_int_equal(agent_limits_parse(&l, "{\"pids\":7,\"execution_max_ms\":20000}", &err), 0);
    assert_int_equal(l.pids, 7);
    assert_int_equal(l.execution_max_ms, 20000);
    assert_int_equal(l.executions_max, 4);
    assert_int_equal(l.memory_bytes, INT64_MAX); /* none that we know of */
    assert_int_equal(agent_limits_parse(&l, "{\"memory_bytes\":67108864}", &err), 0);
    assert_int_equal(l.memory_bytes, 67108864);
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    const char *bad[] = {"",
                         "[]",
                         "{\"pid\":1}",
                         "{\"pids\":0}",
                         "{\"pids\":\"7\"}",
                         "{\"pids\":1e99}",
                         "{\"execution_ms\":2000,\"execution_max_ms\":1000}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct agent_limits l;
        struct err err = {0};
        assert_true(agent_limits_parse(&l, bad[i], &err) < 0);
        assert_non_null(strstr(err.msg, "SPILLWAY_LIMITS"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_and_what_is_given),
        cmocka_unit_test(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
