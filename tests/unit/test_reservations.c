#include "unit.h"

#include "watermark/reservations.h"

static void taken_released_and_over(void **state)
{
    struct reservations *r = reservations_new(60000, 1000);

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

/* Seen: the pod takes the slot, the reservation only counts as recent, and not for long. */
static void seen_and_settled(void **state)
{
    struct reservations *r = reservations_new(60000, 1000);

    (void)state;
    reservations_take(r, "a", 0);
    reservations_take(r, "b", 0);
    reservations_take(r, "c", 100);
    assert_int_equal(reservations_recent(r, 100), 3);
    reservations_seen(r, "b", 200);
    reservations_seen(r, "b", 900); /* again: not longer */
    reservations_seen(r, "nobody", 900);
    assert_int_equal(reservations_count(r, 1199), 2);
    assert_int_equal(reservations_recent(r, 1199), 3);
    assert_int_equal(reservations_recent(r, 1200), 2);
    reservations_seen(r, "c", 1300);
    reservations_release(r, "c"); /* seen, and gone again */
    assert_int_equal(reservations_recent(r, 1300), 1);
    reservations_seen(r, "a", 1400);
    reservations_take(r, "a", 1500); /* a new one of the same name waits again */
    assert_int_equal(reservations_count(r, 2500), 1);
    reservations_free(&r);
}

/* Its create may have been carried out: it takes its slot until its pod does, or a while. */
static void in_doubt(void **state)
{
    struct reservations *r = reservations_new(60000, 1000);

    (void)state;
    reservations_take(r, "a", 0);
    reservations_take(r, "b", 0);
    reservations_take(r, "c", 10);
    reservations_doubt(r, "c", 7000);
    reservations_doubt(r, "b", 5000);
    reservations_doubt(r, "b", 9000); /* again: not longer */
    reservations_doubt(r, "nobody", 5000);
    assert_int_equal(reservations_count(r, 4999), 3);
    assert_int_equal(reservations_count(r, 5000), 2);
    reservations_seen(r, "c", 5000);
    reservations_doubt(r, "c", 5500);
    assert_int_equal(reservations_count(r, 5000), 1);
    assert_int_equal(reservations_recent(r, 5999), 2);
    assert_int_equal(reservations_recent(r, 6000), 1);
    reservations_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(taken_released_and_over),
                                       cmocka_unit_test(seen_and_settled),
                                       cmocka_unit_test(in_doubt)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
