#include "unit.h"

#include "base/mem.h"
#include "sandbox/workspace_name.h"
#include <stdlib.h>

static char *repeat(const char *part, int n, const char *end)
{
    char *text = mem_text("");
    for (int i = 0; i <= n; i++) {
        char *longer = mem_format("%s%s", text, i < n ? part : end);
        free(text);
        text = longer;
    }
    return text;
}

static void assert_check(const char *name, int rc)
{
    struct err err = {0};
    assert_int_equal(workspace_name_check(slice_of(name), &err), rc);
}

static void good_names(void **state)
{
    (void)state;
    static const char *const GOOD[] = {"a",   ".a",     "..a",    "a..", "...", "a/b/c",   " ",
                                       "a b", "%2e%2e", "\\..\\", "~",   "-rf", "\xff\xfe"};
    for (size_t i = 0; i < ARRAY_LEN(GOOD); i++)
        assert_check(GOOD[i], 0);
    char *component = repeat("x", 255, ""), *deep = repeat("d/", 31, "x");
    assert_check(component, 0);
    assert_check(deep, 0);
    free(component);
    free(deep);
}

static void bad_names(void **state)
{
    (void)state;
    static const char *const BAD[] = {"",     "/",    "/a",    "a/",   "a//b", ".",
                                      "..",   "./a",  "a/.",   "../a", "a/..", "a/../b",
                                      "a\nb", "\x01", "a\x7f", "a/\t"};
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++)
        assert_check(BAD[i], -(int)ERR_INVALID_ARGUMENT);
    char *component = repeat("x", 256, ""), *deep = repeat("d/", 32, "x"),
         *lengthy = repeat("0123456789/", 94, "x");
    assert_check(component, -(int)ERR_INVALID_ARGUMENT);
    assert_check(deep, -(int)ERR_INVALID_ARGUMENT);
    assert_check(lengthy, -(int)ERR_INVALID_ARGUMENT);
    free(component);
    free(deep);
    free(lengthy);
    struct err err = {0};
    assert_int_equal(workspace_name_check((struct slice){"a\0b", 3}, &err),
                     -(int)ERR_INVALID_ARGUMENT);
}

static void decoding_is_done_once(void **state)
{
    (void)state;
    char out[WORKSPACE_NAME_SIZE];
    struct err err = {0};
    assert_int_equal(workspace_name_decode(slice_of("a%20b%2Fc%252e+"), out, &err), 0);
    assert_string_equal(out, "a b/c%2e+");
    static const char *const BAD[] = {"",
                                      "%",
                                      "%4",
                                      "%zz",
                                      "%00",
                                      "a%00",
                                      "%2e",
                                      "%2e%2e",
                                      "..%2fa",
                                      "%2fetc",
                                      "a%2f%2e%2e%2fb",
                                      "a%0d%0ab",
                                      "..",
                                      "a//b"};
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++)
        assert_int_equal(workspace_name_decode(slice_of(BAD[i]), out, &err),
                         -(int)ERR_INVALID_ARGUMENT);
    char *lengthy = repeat("%41", 1025, "");
    assert_int_equal(workspace_name_decode(slice_of(lengthy), out, &err),
                     -(int)ERR_INVALID_ARGUMENT);
    free(lengthy);
}

static void folder_and_name(void **state)
{
    (void)state;
    char out[WORKSPACE_NAME_SIZE];
    struct err err = {0};
    assert_int_equal(workspace_name_join("", "x", out, &err), 0);
    assert_string_equal(out, "x");
    assert_int_equal(workspace_name_join("a/b", "c/d", out, &err), 0);
    assert_string_equal(out, "a/b/c/d");
    assert_string_equal(workspace_name_leaf(out), "d");
    assert_string_equal(workspace_name_leaf("d"), "d");
    assert_int_equal(workspace_name_join("a", "", out, &err), -(int)ERR_INVALID_ARGUMENT);
    assert_int_equal(workspace_name_join("a", "/b", out, &err), -(int)ERR_INVALID_ARGUMENT);
    assert_int_equal(workspace_name_join("a", "../b", out, &err), -(int)ERR_INVALID_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_names),
        cmocka_unit_test(bad_names),
        cmocka_unit_test(decoding_is_done_once),
        cmocka_unit_test(folder_and_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
