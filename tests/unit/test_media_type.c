#include "unit.h"

#include "http/media_type.h"

static void a_type_goes_without_its_parameters(void **state)
{
    static const char *const fields[] = {
        "text/plain",
        "text/plain;charset=utf-8",
        "text/plain ; boundary=x; Charset=\"UTF-8\"",
        "text/plain;charset=us-ascii",
        "text/plain;",
        "text/plain; utf-8",
    };
    struct err err;
    struct slice type;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        assert_int_equal(media_type_read(slice_of(fields[i]), &type, &err), 0);
        assert_true(slice_eq(type, "text/plain"));
    }
    assert_int_equal(media_type_read((struct slice){NULL, 0}, &type, &err), 0);
    assert_int_equal(type.len, 0);
}

static void another_charset_is_refused(void **state)
{
    static const char *const fields[] = {
        "text/plain; charset=iso-8859-1", "text/plain;charset=\"utf-16\"",
        "text/plain; CHARSET=utf-7; x=y",
        "text/plain; charset=", "text/plain;charset=utf-8;charset=koi8"};
    struct err err;
    struct slice type;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        assert_int_equal(media_type_read(slice_of(fields[i]), &type, &err),
                         -(int)ERR_UNSUPPORTED_MEDIA_TYPE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_type_goes_without_its_parameters),
        cmocka_unit_test(another_charset_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
