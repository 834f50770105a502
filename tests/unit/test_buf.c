#include "unit.h"

#include "base/buf.h"

static void grows_up_to_its_maximum(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    for (int i = 0; i < 100; i++)
        assert_true(buf_add(&b, "0123456789", 10));
    assert_int_equal(b.len, 1000);
    assert_false(b.overflowed);
    assert_true(b.cap <= 1001);
    assert_true(buf_add(&b, "", 0));
    assert_false(buf_add(&b, "x", 1));
    assert_true(b.overflowed);
    assert_int_equal(b.len, 1000);
    assert_int_equal(strlen(buf_text(&b)), 1000);
    buf_fini(&b);
    assert_null(b.data);
}

static void an_append_that_does_not_fit_appends_nothing(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 8);
    assert_true(buf_add_text(&b, "abc"));
    assert_false(buf_add_text(&b, "defghi"));
    assert_string_equal(buf_text(&b), "abc");
    assert_false(buf_addf(&b, "%d", 123456));
    assert_string_equal(buf_text(&b), "abc");
    buf_clear(&b);
    assert_false(b.overflowed);
    assert_true(buf_addf(&b, "%s-%d", "defgh", 12));
    assert_string_equal(buf_text(&b), "defgh-12");
    buf_fini(&b);
}

static void a_length_near_the_largest_number_does_not_wrap(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    assert_true(buf_add_text(&b, "abc"));
    assert_false(buf_add(&b, "x", SIZE_MAX));
    assert_false(buf_add(&b, "x", SIZE_MAX - 2));
    assert_int_equal(b.len, 3);
    buf_fini(&b);
    assert_aborts(buf_init(&b, SIZE_MAX));
}

static void consume_drops_the_front(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    buf_add_text(&b, "hello world");
    buf_consume(&b, 0);
    buf_consume(&b, 6);
    assert_true(slice_eq(buf_slice(&b), "world"));
    buf_consume(&b, 5);
    assert_int_equal(b.len, 0);
    assert_aborts(buf_consume(&b, 1));
    buf_fini(&b);
}

static void an_empty_buffer_has_a_text(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 0);
    assert_string_equal(buf_text(&b), "");
    assert_false(buf_add(&b, "x", 1));
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_up_to_its_maximum),
        cmocka_unit_test(an_append_that_does_not_fit_appends_nothing),
        cmocka_unit_test(a_length_near_the_largest_number_does_not_wrap),
        cmocka_unit_test(consume_drops_the_front),
        cmocka_unit_test(an_empty_buffer_has_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
