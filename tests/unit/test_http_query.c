#include "unit.h"

#include "http/http_message.h"

static void decodes_one_parameter(void **state)
{
    char out[16];
    int bad;
    (void)state;
    assert_true(http_query_get(slice_of("a=1&b=x%20y+z&c"), "b", out, sizeof(out), &bad));
    assert_string_equal(out, "x y z");
    assert_true(http_query_get(slice_of("a=1&b=2&c"), "c", out, sizeof(out), &bad));
    assert_string_equal(out, "");
    assert_true(http_query_get(slice_of("a=%41"), "a", out, sizeof(out), &bad));
    assert_string_equal(out, "A");
    assert_false(http_query_get(slice_of("ab=1"), "a", out, sizeof(out), &bad));
    assert_int_equal(bad, 0);
    assert_false(http_query_get((struct slice){NULL, 0}, "a", out, sizeof(out), &bad));
}

static void refuses_what_it_would_have_to_change(void **state)
{
    static const char *const queries[] = {
        "a=%",     "a=%4",    "a=%zz",        "a=%00", "a=0123456789abcdef",
        "a=1&a=1", "a&b=2&a", "b=1&a=1&c&a=2"};
    char out[16];
    int bad;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
        assert_false(http_query_get(slice_of(queries[i]), "a", out, sizeof(out), &bad));
        assert_int_equal(bad, -(int)ERR_INVALID_ARGUMENT);
    }
}

static void numbers_have_ranges(void **state)
{
    struct err err;
    int64_t v = 7;
    (void)state;
    assert_int_equal(http_query_int(slice_of("b=1"), "a", 0, 30, &v, &err), 0);
    assert_int_equal(v, 7);
    assert_int_equal(http_query_int(slice_of("a=30"), "a", 0, 30, &v, &err), 0);
    assert_int_equal(v, 30);
    assert_int_equal(http_query_int(slice_of("a=31"), "a", 0, 30, &v, &err),
                     -(int)ERR_LIMIT_EXCEEDED);
    assert_non_null(strstr(err.msg, "30"));
    assert_int_equal(http_query_int(slice_of("a=-1"), "a", 0, 30, &v, &err),
                     -(int)ERR_INVALID_ARGUMENT);
    static const char *const no_numbers[] = {"a=",      "a=x",   "a=1x",
                                             "a=1e3",   "a=0x1", "a=1.0",
                                             "a= 1",    "a=-",   "a=99999999999999999999",
                                             "a=%31%00"};
    for (size_t i = 0; i < ARRAY_LEN(no_numbers); i++)
        assert_int_equal(http_query_int(slice_of(no_numbers[i]), "a", 0, INT64_MAX, &v, &err),
                         -(int)ERR_INVALID_ARGUMENT);
    assert_int_equal(v, 30);
}

static void truths(void **state)
{
    struct err err;
    bool v = false;
    (void)state;
    assert_int_equal(http_query_bool(slice_of("a=true"), "a", &v, &err), 0);
    assert_true(v);
    assert_int_equal(http_query_bool(slice_of("a=0"), "a", &v, &err), 0);
    assert_false(v);
    assert_int_equal(http_query_bool(slice_of(""), "a", &v, &err), 0);
    assert_int_equal(http_query_bool(slice_of("a=yes"), "a", &v, &err), -(int)ERR_INVALID_ARGUMENT);
    assert_int_equal(http_query_bool(slice_of("a"), "a", &v, &err), -(int)ERR_INVALID_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_one_parameter),
        cmocka_unit_test(refuses_what_it_would_have_to_change),
        cmocka_unit_test(numbers_have_ranges),
        cmocka_unit_test(truths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
