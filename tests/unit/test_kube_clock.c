#include "clusters/kube_clock.h"
#include "tests/unit/unit.h"

#define HOUR ((int64_t)3600 * 1000)
#define T    ((int64_t)1700000000 * 1000)

static void before_the_server_was_heard_the_own_clock_counts(void **state)
{
    (void)state;
    struct kube_clock c = {0};
    assert_int_equal(kube_clock_wall_ms(&c, 5, T), T);
    kube_clock_hear(&c, 0, 5);
    assert_int_equal(kube_clock_wall_ms(&c, 5, T), T);
}

static void a_clock_that_agrees_counts_to_the_millisecond(void **state)
{
    (void)state;
    struct kube_clock c = {0};
    kube_clock_hear(&c, T, 1000);
    for (int64_t off = -2000; off <= 2000; off += 77)
        assert_int_equal(kube_clock_wall_ms(&c, 1000, T + 500 + off), T + 500 + off);
}

static void one_that_is_wrong_does_not_count(void **state)
{
    (void)state;
    struct kube_clock c = {0};
    kube_clock_hear(&c, T, 1000);
    assert_int_equal(kube_clock_wall_ms(&c, 1000, T - HOUR), T + 500);
    assert_int_equal(kube_clock_wall_ms(&c, 1000, T + HOUR), T + 500);
    assert_int_equal(kube_clock_wall_ms(&c, 61000, T - HOUR + 60000), T + 60500);
    assert_int_equal(kube_clock_wall_ms(&c, 61000, T + 60000), T + 60000); /* it stepped back */
    kube_clock_hear(&c, T + 120000, 121000);
    assert_int_equal(kube_clock_wall_ms(&c, 121000, T), T + 120500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_the_server_was_heard_the_own_clock_counts),
        cmocka_unit_test(a_clock_that_agrees_counts_to_the_millisecond),
        cmocka_unit_test(one_that_is_wrong_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
