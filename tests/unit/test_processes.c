#include "unit.h"

#include "sandbox/processes.h"
#include <signal.h>

static void a_line_of_stat(void **state)
{
    (void)state;
    const char *line = "42 (x) R 1 (\n) S 7 42 42 0 -1 4194560 100 0 0 0 30 12 0 0 20 0 3 0 5000 "
                       "1000000 250 18446744073709551615 1 1 0 0 0 0";
    struct process_info p;
    assert_true(processes_parse_stat(slice_of(line), &p));
    assert_int_equal(p.pid, 42);
    assert_int_equal(p.parent, 7);
    assert_string_equal(p.name, "x) R 1 (\n");
    assert_int_equal(p.state, 'S');
    assert_int_equal(p.cpu_ticks, 42);
    assert_int_equal(p.threads, 3);
    assert_int_equal(p.start_ticks, 5000);
    assert_int_equal(p.rss_pages, 250);
    static const char *const BAD[] = {"", "42", "42 (x", "42 (x)", "x (y) S 1"};
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++)
        assert_false(processes_parse_stat(slice_of(BAD[i]), &p));
}

static void signals(void **state)
{
    (void)state;
    assert_int_equal(processes_signal("KILL"), SIGKILL);
    assert_int_equal(processes_signal("SIGTERM"), SIGTERM);
    assert_int_equal(processes_signal("sigusr1"), SIGUSR1);
    assert_int_equal(processes_signal("9"), 9);
    assert_int_equal(processes_signal("64"), 64);
    static const char *const BAD[] = {"",    "0",          "65", "-1",
                                      "SIG", "SIGSIGKILL", "9 ", "999999999999"};
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++)
        assert_int_equal(processes_signal(BAD[i]), 0);
}

static void words(void **state)
{
    (void)state;
    assert_string_equal(processes_status('R'), "running");
    assert_string_equal(processes_status('D'), "disk-sleep");
    assert_string_equal(processes_status('?'), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_of_stat),
        cmocka_unit_test(signals),
        cmocka_unit_test(words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
