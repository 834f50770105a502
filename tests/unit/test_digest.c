#include "unit.h"

#include "base/digest.h"

static void hmac_hex(struct slice key, struct slice in, char out[DIGEST_HEX])
{
    uint8_t sum[DIGEST_BYTES];
    digest_hmac_sha256(key, in, sum);
    digest_hex(sum, sizeof(sum), out);
}

/* FIPS 180-4's examples. */
static void sha256_gives_the_known_sums(void **state)
{
    (void)state;
    char hex[DIGEST_HEX];
    digest_sha256_hex(slice_of(""), hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    digest_sha256_hex(slice_of("abc"), hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    digest_sha256_hex(slice_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), hex);
    assert_string_equal(hex, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void pieces_give_the_sum_of_the_whole(void **state)
{
    (void)state;
    char hex[DIGEST_HEX];
    struct digest *d = digest_begin();
    digest_add(d, slice_of("a"));
    digest_add(d, slice_of(""));
    digest_add(d, slice_of("bc"));
    digest_end(&d, hex);
    assert_null(d);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    d = digest_begin();
    digest_end(&d, NULL);
    digest_end(&d, NULL);
}

/* RFC 4231's test cases 1, 2 and 6 (a key longer than a block), and an empty key and text. */
static void hmac_gives_the_known_sums(void **state)
{
    (void)state;
    char hex[DIGEST_HEX], key[131];
    memset(key, 0x0b, 20);
    hmac_hex((struct slice){key, 20}, slice_of("Hi There"), hex);
    assert_string_equal(hex, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    hmac_hex(slice_of("Jefe"), slice_of("what do ya want for nothing?"), hex);
    assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof(key));
    hmac_hex((struct slice){key, sizeof(key)},
             slice_of("Test Using Larger Than Block-Size Key - Hash Key First"), hex);
    assert_string_equal(hex, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    hmac_hex(slice_of(""), slice_of(""), hex);
    assert_string_equal(hex, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void equal_compares_every_byte(void **state)
{
    (void)state;
    char a[DIGEST_BYTES] = {0}, b[DIGEST_BYTES] = {0};
    assert_true(digest_equal(a, b, sizeof(a)));
    for (size_t i = 0; i < sizeof(a); i++) {
        b[i] = 1;
        assert_false(digest_equal(a, b, sizeof(a)));
        b[i] = 0;
    }
    assert_true(digest_equal(a, b, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_gives_the_known_sums),
        cmocka_unit_test(pieces_give_the_sum_of_the_whole),
        cmocka_unit_test(hmac_gives_the_known_sums),
        cmocka_unit_test(equal_compares_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
