#include "gateway/session_id.h"

#include "tests/unit/unit.h"

static bool label(const char *text)
{
    return session_id_is_label(slice_of(text));
}

static void labels_are_dns_labels(void **state)
{
    (void)state;
    char longest[65];
    memset(longest, 'a', sizeof(longest));
    longest[63] = '\0';
    assert_true(label("a"));
    assert_true(label("a-b-0"));
    assert_true(label(longest));
    longest[63] = 'a';
    longest[64] = '\0';
    assert_false(label(longest));
    assert_false(label(""));
    assert_false(label("-a"));
    assert_false(label("a-"));
    assert_false(label("A"));
    assert_false(label("a.b"));
    assert_false(label("a_b"));
    assert_false(label("a b"));
    assert_false(session_id_is_label((struct slice){"a\0b", 3}));
}

static void reserved_words_are_refused_by_name(void **state)
{
    (void)state;
    char id[SESSION_ID_SIZE];
    struct err err;
    assert_int_equal(session_id_check(slice_of("metrics"), id, &err), -ERR_RESERVED_ID);
    assert_non_null(strstr(err.msg, "metrics"));
    assert_int_equal(session_id_check(slice_of("Metrics"), id, &err), -ERR_INVALID_ID);
    assert_int_equal(session_id_check(slice_of("metrics1"), id, &err), 0);
    assert_string_equal(id, "metrics1");
}

static void names_and_languages(void **state)
{
    (void)state;
    assert_true(session_id_is_name(slice_of("A-b_c.1")));
    assert_false(session_id_is_name(slice_of("")));
    assert_false(session_id_is_name(slice_of("a/b")));
    assert_true(session_id_is_language(slice_of("python3")));
    assert_true(session_id_is_language(slice_of("c++")));
    assert_false(session_id_is_language(slice_of("+c")));
    assert_false(session_id_is_language(slice_of("")));
}

static void a_key_gives_the_same_id_to_the_same_tenant_only(void **state)
{
    (void)state;
    char a[SESSION_ID_SIZE], b[SESSION_ID_SIZE], c[SESSION_ID_SIZE];
    struct slice site = slice_of("0123456789abcdef");
    session_id_from_key(site, "t1", slice_of("key"), a);
    session_id_from_key(site, "t1", slice_of("key"), b);
    session_id_from_key(site, "t2", slice_of("key"), c);
    assert_string_equal(a, b);
    assert_string_not_equal(a, c);
    assert_int_equal(strlen(a), 33);
    assert_true(label(a));
    /* "t" + "1key" is not "t1" + "key". */
    session_id_from_key(site, "t", slice_of("1key"), c);
    assert_string_not_equal(a, c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_are_dns_labels),
        cmocka_unit_test(reserved_words_are_refused_by_name),
        cmocka_unit_test(names_and_languages),
        cmocka_unit_test(a_key_gives_the_same_id_to_the_same_tenant_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
