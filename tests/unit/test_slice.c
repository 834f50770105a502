#include "unit.h"

#include "base/slice.h"

static void compares_whole_texts(void **state)
{
    (void)state;
    assert_true(slice_eq(slice_of("abc"), "abc"));
    assert_false(slice_eq(slice_of("abc"), "ab"));
    assert_false(slice_eq(slice_of("ab"), "abc"));
    assert_true(slice_eq(slice_of(""), ""));
    assert_true(slice_eq((struct slice){"a\0b", 3}, "a") == false);
    assert_true(slice_eq_nocase(slice_of("Content-Type"), "content-type"));
    assert_false(slice_eq_nocase(slice_of("content"), "content-type"));
}

static void starts_with_does_not_read_beyond(void **state)
{
    (void)state;
    assert_true(slice_starts_with(slice_of("abc"), "ab"));
    assert_true(slice_starts_with(slice_of("abc"), ""));
    assert_false(slice_starts_with((struct slice){"abc", 1}, "ab"));
}

static void null_is_empty(void **state)
{
    (void)state;
    assert_int_equal(slice_of(NULL).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares_whole_texts),
        cmocka_unit_test(starts_with_does_not_read_beyond),
        cmocka_unit_test(null_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
