#include "unit.h"

#include "clusters/quantity.h"

struct sample {
    const char *text;
    int64_t whole;
    int64_t milli;
};

static void good(void **state)
{
    static const struct sample SAMPLES[] = {
        {"0", 0, 0},
        {"1", 1, 1000},
        {"+3", 3, 3000},
        {"500m", 1, 500},
        {"1n", 1, 1},
        {"487558164n", 1, 488},
        {"353957n", 1, 1},
        {"1500u", 1, 2},
        {"0.5", 1, 500},
        {".5", 1, 500},
        {"5.", 5, 5000},
        {"1.0000001", 2, 1001},
        {"64Mi", 67108864, 67108864000},
        {"1.5Gi", 1610612736, 1610612736000},
        {"732212Ki", 749785088, 749785088000},
        {"1e3", 1000, 1000000},
        {"1E3", 1000, 1000000},
        {"12e-1", 2, 1200},
        {"1k", 1000, 1000000},
        {"8Pi", INT64_C(9007199254740992), INT64_C(9007199254740992000)},
        {"000000000000000000000000012", 12, 12000},
        {"0.0000000000000000000000000001", 1, 1},
        {"1.00000000000000000000000000000", 1, 1000},
        {"0Ei", 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(SAMPLES); i++) {
        struct err err = {0};
        int64_t whole = -1, milli = -1;
        assert_int_equal(quantity_parse(SAMPLES[i].text, &whole, &err), 0);
        assert_int_equal(quantity_parse_milli(SAMPLES[i].text, &milli, &err), 0);
        assert_int_equal(whole, SAMPLES[i].whole);
        assert_int_equal(milli, SAMPLES[i].milli);
    }
}

static void bad(void **state)
{
    static const char *const TEXTS[] = {
        "",
        " 1",
        "1 ",
        "-1",
        "m",
        "Ki",
        "1ki",
        "1K",
        "1KiB",
        "1e",
        "1e+",
        "1e9999999999999",
        "1.2.3",
        "0x10",
        "1Mi1",
        "16Ei",
        "9999999999999999999",
        "1e20",
        "١",
        "1e3Ki",
        "++1",
        ".",
        "1,5",
        "nan",
        "inf",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++) {
        struct err err = {0};
        int64_t out = 77;
        assert_int_equal(quantity_parse(TEXTS[i], &out, &err), -ERR_INVALID_ARGUMENT);
        assert_int_equal(out, 77);
        assert_true(err.msg[0] != '\0');
    }
    assert_int_equal(quantity_parse(NULL, &(int64_t){0}, NULL), -ERR_INVALID_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(good), cmocka_unit_test(bad)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
