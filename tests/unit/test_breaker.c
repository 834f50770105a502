#include "unit.h"

#include "router/breaker.h"

static void opens_after_failures_in_a_row(void **state)
{
    struct breaker b = {0};
    (void)state;
    for (int i = 0; i < BREAKER_FAILURES - 1; i++)
        assert_false(breaker_failed(&b, 100, 0));
    breaker_succeeded(&b); /* the row is broken */
    for (int i = 0; i < BREAKER_FAILURES - 1; i++)
        assert_false(breaker_failed(&b, 100, 0));
    assert_true(breaker_allows(&b, 100));
    assert_true(breaker_failed(&b, 100, 0));
    assert_false(breaker_allows(&b, 100));
    assert_int_equal(breaker_state(&b, 100), BREAKER_OPEN);
    assert_int_equal(b.opened, 1);
}

static void open_it(struct breaker *b, int64_t now_ms, uint64_t draw)
{
    for (int i = 0; i < BREAKER_FAILURES; i++)
        breaker_failed(b, now_ms, draw);
}

static void half_open_lets_the_probe_decide(void **state)
{
    struct breaker b = {0};
    (void)state;
    open_it(&b, 0, 0);
    assert_int_equal(breaker_state(&b, BREAKER_PAUSE_MS - 1), BREAKER_OPEN);
    assert_int_equal(breaker_state(&b, BREAKER_PAUSE_MS), BREAKER_HALF_OPEN);
    assert_false(breaker_allows(&b, BREAKER_PAUSE_MS)); /* the probe only */
    assert_true(breaker_failed(&b, BREAKER_PAUSE_MS, 0));
    assert_int_equal(breaker_state(&b, 2 * BREAKER_PAUSE_MS), BREAKER_OPEN); /* twice as long now */
    assert_int_equal(breaker_state(&b, 3 * BREAKER_PAUSE_MS), BREAKER_HALF_OPEN);
    breaker_succeeded(&b);
    assert_true(breaker_allows(&b, 3 * BREAKER_PAUSE_MS));
    open_it(&b, 10000, 0); /* and short again */
    assert_int_equal(breaker_state(&b, 10000 + BREAKER_PAUSE_MS), BREAKER_HALF_OPEN);
}

static void late_failures_of_an_open_one_do_not_lengthen_it(void **state)
{
    struct breaker b = {0};
    (void)state;
    open_it(&b, 0, 0);
    for (int i = 0; i < 50; i++)
        assert_false(breaker_failed(&b, 10, 0));
    assert_int_equal(breaker_state(&b, BREAKER_PAUSE_MS), BREAKER_HALF_OPEN);
}

static void pauses_are_jittered_and_bounded(void **state)
{
    struct breaker b = {0};
    int64_t now_ms = 0;
    (void)state;
    open_it(&b, 0, BREAKER_PAUSE_MS / 2 - 1);
    assert_int_equal(b.retry_ms, BREAKER_PAUSE_MS + BREAKER_PAUSE_MS / 2 - 1);
    for (int i = 0; i < 20; i++) {
        now_ms = b.retry_ms;
        assert_true(breaker_failed(&b, now_ms, (uint64_t)-1));
        assert_in_range(b.retry_ms - now_ms, BREAKER_PAUSE_MS, BREAKER_PAUSE_MAX_MS * 3 / 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_after_failures_in_a_row),
        cmocka_unit_test(half_open_lets_the_probe_decide),
        cmocka_unit_test(late_failures_of_an_open_one_do_not_lengthen_it),
        cmocka_unit_test(pauses_are_jittered_and_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
