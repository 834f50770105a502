#include "unit.h"

#include "gateway/site_token.h"
#include "http/http_message.h"

static bool accepts(const struct site_token *t, const char *authorization)
{
    struct http_header row = {slice_of("authorization"), slice_of(authorization)};
    const struct http_head head = {.headers = &row, .header_count = authorization ? 1 : 0};
    return site_token_accepts(t, &head);
}

static void old_and_new_are_accepted(void **state)
{
    struct site_token t;
    struct err err;
    (void)state;
    assert_int_equal(
        site_token_parse(&t, slice_of("# tokens\nnew-token-0123456789\n\nold-token-0123456789\n"),
                         "f", &err),
        0);
    assert_true(accepts(&t, "Spillway new-token-0123456789"));
    assert_true(accepts(&t, "spillway old-token-0123456789"));
    assert_false(accepts(&t, "Spillway new-token-012345678"));
    assert_false(accepts(&t, "Spillway new-token-01234567890"));
    assert_false(accepts(&t, "Bearer new-token-0123456789"));
    assert_false(accepts(&t, "Spillway "));
    assert_false(accepts(&t, NULL));
}

static void without_tokens_nobody_is(void **state)
{
    struct site_token t;
    struct err err;
    (void)state;
    assert_int_equal(site_token_read(&t, "", &err), 0);
    assert_false(accepts(&t, "Spillway new-token-0123456789"));
}

static void bad_files(void **state)
{
    struct site_token t;
    struct err err;
    (void)state;
    assert_int_equal(site_token_parse(&t, slice_of("\n"), "f", &err), -ERR_CONFIG);
    assert_int_equal(site_token_parse(&t, slice_of("short\n"), "f", &err), -ERR_CONFIG);
    assert_int_equal(
        site_token_parse(&t, slice_of("aaaaaaaaaaaaaaaa\nbbbbbbbbbbbbbbbb\ncccccccccccccccc\n"),
                         "f", &err),
        -ERR_CONFIG);
    assert_non_null(strstr(err.msg, "f:3"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(old_and_new_are_accepted),
        cmocka_unit_test(without_tokens_nobody_is),
        cmocka_unit_test(bad_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
