#include "gateway/site_key.h"

#include "tests/unit/unit.h"

static int parse(struct site_key *k, const char *text, struct err *err)
{
    return site_key_parse(k, slice_of(text), "f", err);
}

static void one_or_two_lines_of_hex(void **state)
{
    (void)state;
    struct site_key k;
    struct err err;
    assert_int_equal(parse(&k, "00112233445566778899aabbccddeeff", &err), 0);
    assert_int_equal(k.count, 1);
    assert_int_equal(site_key_at(&k, 0).len, 16);
    assert_int_equal((unsigned char)site_key_at(&k, 0).at[15], 0xff);
    assert_true(parse(&k, "", &err) < 0);
    assert_true(parse(&k, "0011", &err) < 0);
    assert_true(parse(&k, "00112233445566778899aabbccddeefg", &err) < 0);
    assert_non_null(strstr(err.msg, "f:1"));
}

static void a_token_belongs_to_one_incarnation(void **state)
{
    (void)state;
    struct site_key k;
    struct err err;
    char a[DIGEST_HEX], b[DIGEST_HEX];
    assert_int_equal(
        parse(&k, "00112233445566778899aabbccddeeff\nff112233445566778899aabbccddee00\n", &err), 0);
    site_key_token(&k, 0, "one", "e", "n", a);
    site_key_token(&k, 0, "one", "e", "n", b);
    assert_string_equal(a, b);
    assert_int_equal(strlen(a), 64);
    site_key_token(&k, 0, "one", "f", "n", b);
    assert_string_not_equal(a, b);
    site_key_token(&k, 1, "one", "e", "n", b);
    assert_string_not_equal(a, b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_or_two_lines_of_hex),
        cmocka_unit_test(a_token_belongs_to_one_incarnation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
