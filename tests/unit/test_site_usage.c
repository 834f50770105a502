#include "unit.h"

#include "watermark/site_usage.h"

static const struct kube_resources NODE = {4000, 8000, 0, 10};

static void add(struct site_usage *u, int64_t millicpu, int64_t memory, int64_t age_ms)
{
    struct kube_usage_sample s = {.millicpu = millicpu, .memory_bytes = memory};

    site_usage_add(u, &NODE, millicpu < 0 ? NULL : &s, age_ms);
}

static void sums_and_ages(void **state)
{
    struct site_usage u;

    (void)state;
    site_usage_init(&u);
    add(&u, 1000, 4000, 5000);
    add(&u, 3000, 8000, 20000);
    site_usage_end(&u);
    assert_true(u.known);
    assert_int_equal(u.cpu_permille, 500);
    assert_int_equal(u.memory_permille, 750);
    assert_int_equal(u.coverage_permille, 1000);
    assert_int_equal(u.age_ms, 20000);
}

/* Four of five are enough, three of four are not; without nodes nothing is known. */
static void coverage(void **state)
{
    struct site_usage u;

    (void)state;
    site_usage_init(&u);
    for (int i = 0; i < 4; i++)
        add(&u, 4000, 0, 1);
    add(&u, -1, 0, 0);
    site_usage_end(&u);
    assert_true(u.known);
    assert_int_equal(u.coverage_permille, 800);
    assert_int_equal(u.cpu_permille, 1000); /* of those measured, not of all */
    site_usage_init(&u);
    for (int i = 0; i < 3; i++)
        add(&u, 0, 0, 1);
    add(&u, -1, 0, 0);
    site_usage_end(&u);
    assert_false(u.known);
    site_usage_init(&u);
    site_usage_end(&u);
    assert_false(u.known);
    assert_int_equal(u.age_ms, -1);
    assert_int_equal(u.cpu_permille, 1000); /* never "empty" */
}

static void ratios_stay_in_range(void **state)
{
    (void)state;
    assert_int_equal(site_usage_permille(INT64_MAX, 1), 1000000);
    assert_int_equal(site_usage_permille(5, 0), 1000);
    assert_int_equal(site_usage_permille(0, 5), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sums_and_ages), cmocka_unit_test(coverage),
                                       cmocka_unit_test(ratios_stay_in_range)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
