#include "unit.h"

#include "sandbox/utf8.h"

static int length(const char *text)
{
    return utf8_length(text, strlen(text));
}

static void whole_characters(void **state)
{
    (void)state;
    assert_int_equal(length("a"), 1);
    assert_int_equal(length("\xC3\xA9z"), 2);
    assert_int_equal(length("\xE2\x82\xACz"), 3);
    assert_int_equal(length("\xF0\x9F\x98\x80z"), 4);
    assert_int_equal(length("\xF4\x8F\xBF\xBF"), 4);
    assert_int_equal(utf8_length("\0", 1), 1);
}

static void what_is_no_character(void **state)
{
    (void)state;
    const char *bad[] = {"\x80",         "\xC0\x80", "\xC1\xBF",         "\xE0\x80\x80",
                         "\xED\xA0\x80", "\xFF",     "\xF4\x90\x80\x80", "\xF0\x80\x80\x80",
                         "\xF5",         "\xC3z",    "\xE2\x82z"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(length(bad[i]), UTF8_INVALID);
}

static void a_beginning(void **state)
{
    (void)state;
    assert_int_equal(length("\xC3"), UTF8_INCOMPLETE);
    assert_int_equal(length("\xE2\x82"), UTF8_INCOMPLETE);
    assert_int_equal(length("\xF0\x9F\x98"), UTF8_INCOMPLETE);
    /* A beginning that can never become good is not one. */
    assert_int_equal(length("\xE0\x80"), UTF8_INVALID);
}

static void cleaning_gives_text_that_json_can_carry(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 100);
    assert_true(utf8_clean(&out, (struct slice){"a\0\xC3\xA9\xFF", 5}));
    assert_string_equal(buf_text(&out), "a\xEF\xBF\xBD\xC3\xA9\xEF\xBF\xBD");
    buf_fini(&out);
    buf_init(&out, 4);
    assert_false(utf8_clean(&out, slice_of("\xFF\xFF")));
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_characters),
        cmocka_unit_test(what_is_no_character),
        cmocka_unit_test(a_beginning),
        cmocka_unit_test(cleaning_gives_text_that_json_can_carry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
