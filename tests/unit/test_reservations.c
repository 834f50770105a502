#include "unit.h"

#include "watermark/reservations.h"

static void taken_released_and_over(void **state)
{
    struct reservations *r = reservations_new(60000);

    (void)state;
    assert_int_equal(reservations_count(r, 0), 0);
    reservations_take(r, "a", 1000);
    reservations_take(r, "b", 2000);
    assert_int_equal(reservations_count(r, 3000), 2);
    reservations_take(r, "a", 4000); /* the same session again: one, and longer */
    assert_int_equal(reservations_count(r, 4000), 2);
    reservations_release(r, "nobody");
    reservations_release(r, "b");
    reservations_release(r, "b");
    assert_int_equal(reservations_count(r, 61999), 1);
    assert_int_equal(reservations_count(r, 63999), 1);
    assert_int_equal(reservations_count(r, 64000), 0);
    reservations_take(r, "c", 70000);
    reservations_take(r, "d", 71000);
    assert_int_equal(reservations_count(r, 130500), 1);
    reservations_free(&r);
    assert_null(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(taken_released_and_over)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
