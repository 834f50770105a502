#include "gateway/exec_body.h"

#include "tests/unit/unit.h"

static int translate(const char *body, char *language, struct buf *out, struct err *err)
{
    buf_init(out, 4096);
    return exec_body_from_execute(slice_of(body), language, 40, out, err);
}

static void language_goes_and_timeout_is_renamed(void **state)
{
    (void)state;
    char language[40];
    struct buf out;
    struct err err;
    assert_int_equal(
        translate("{\"language\":\"nodejs\",\"code\":\"1\",\"timeout\":5}", language, &out, &err),
        0);
    assert_string_equal(language, "nodejs");
    assert_string_equal(buf_text(&out), "{\"code\":\"1\",\"timeout_seconds\":5}");
    buf_fini(&out);
    assert_int_equal(translate("{}", language, &out, &err), 0);
    assert_string_equal(language, "python");
    assert_string_equal(buf_text(&out), "{}");
    buf_fini(&out);
    assert_int_equal(translate("{\"language\":null,\"code\":\"1\"}", language, &out, &err), 0);
    assert_string_equal(language, "python");
    assert_string_equal(buf_text(&out), "{\"code\":\"1\"}");
    buf_fini(&out);
}

static void bad_bodies_are_refused(void **state)
{
    (void)state;
    char language[40];
    struct buf out;
    struct err err;
    assert_int_equal(translate("[1]", language, &out, &err), -ERR_BAD_JSON);
    buf_fini(&out);
    assert_int_equal(translate("{\"language\":\"C++\"}", language, &out, &err),
                     -ERR_UNKNOWN_LANGUAGE);
    buf_fini(&out);
    assert_int_equal(translate("{\"language\":5}", language, &out, &err), -ERR_INVALID_ARGUMENT);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(language_goes_and_timeout_is_renamed),
        cmocka_unit_test(bad_bodies_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
