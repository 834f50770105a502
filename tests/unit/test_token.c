#include "unit.h"

#include "sandbox/token.h"

#define GIVEN "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void only_the_right_one_is_accepted(void **state)
{
    (void)state;
    char sum[DIGEST_HEX];
    digest_sha256_hex(slice_of(GIVEN), sum);
    struct token t;
    assert_true(token_init(&t, sum));
    assert_true(token_accepts(&t, slice_of("Bearer " GIVEN)));
    assert_true(token_accepts(&t, slice_of("bearer " GIVEN)));
    const char *wrong[] = {"",
                           "Bearer",
                           "Bearer ",
                           GIVEN,
                           "Basic " GIVEN,
                           "Bearer " GIVEN "a",
                           "Bearer aaaa",
                           "Bearer  " GIVEN};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(token_accepts(&t, slice_of(wrong[i])));
    char hash_itself[DIGEST_HEX + 8] = "Bearer ";
    strcat(hash_itself, sum);
    assert_false(token_accepts(&t, slice_of(hash_itself)));
}

static void without_a_hash_nobody_is(void **state)
{
    (void)state;
    struct token t;
    assert_false(token_init(&t, ""));
    assert_false(token_accepts(&t, slice_of("Bearer x")));
    assert_false(token_init(&t, "ABCDEF"));
    assert_false(
        token_init(&t, "zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_right_one_is_accepted),
        cmocka_unit_test(without_a_hash_nobody_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
