#include "unit.h"

#include "sandbox/memory_events.h"

static void both_versions(void **state)
{
    (void)state;
    assert_int_equal(memory_events_parse(slice_of("low 0\nhigh 0\noom 3\noom_kill 2\n")), 2);
    assert_int_equal(memory_events_parse(slice_of("oom_kill_disable 0\nunder_oom 0\noom_kill 17")),
                     17);
    assert_int_equal(memory_events_parse(slice_of("oom_kill_disable 0\n")), -1);
    assert_int_equal(memory_events_parse(slice_of("oom_kill x\n")), -1);
    assert_int_equal(memory_events_parse((struct slice){0}), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(both_versions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
