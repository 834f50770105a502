#include "unit.h"

#include "clusters/embedded/names.h"

static void labels(void **state)
{
    (void)state;
    assert_true(names_is_label("a"));
    assert_true(names_is_label("0-a"));
    assert_true(names_is_label("abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabc"));
    assert_false(
        names_is_label("abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcd"));
    assert_false(names_is_label(""));
    assert_false(names_is_label(NULL));
    assert_false(names_is_label("-a"));
    assert_false(names_is_label("a-"));
    assert_false(names_is_label("A"));
    assert_false(names_is_label("a.b"));
    assert_false(names_is_label("a/b"));
}

static void subdomains(void **state)
{
    (void)state;
    assert_true(names_is_subdomain("a.b-c.d"));
    assert_false(names_is_subdomain("a..b"));
    assert_false(names_is_subdomain(".a"));
    assert_false(names_is_subdomain("a."));
    assert_false(names_is_subdomain(".."));
}

static void keys_and_values(void **state)
{
    (void)state;
    assert_true(names_is_qualified("spillway.dev/session"));
    assert_true(names_is_qualified("app"));
    assert_false(names_is_qualified("/app"));
    assert_false(names_is_qualified("a/b/c"));
    assert_false(names_is_qualified("a b"));
    assert_true(names_is_label_value(""));
    assert_true(names_is_label_value("A_b.c-9"));
    assert_false(names_is_label_value("-a"));
    assert_false(names_is_label_value("a b"));
    assert_true(names_is_env("SPILLWAY_X"));
    assert_false(names_is_env("1X"));
    assert_false(names_is_env("A=B"));
}

static void printable(void **state)
{
    char text[] = "a\nb\xc3\xbc\x7f";

    (void)state;
    names_make_printable(text);
    assert_string_equal(text, "a?b???");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels),
        cmocka_unit_test(subdomains),
        cmocka_unit_test(keys_and_values),
        cmocka_unit_test(printable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
