#include "gateway/json_members.h"

#include "base/buf.h"

#include "tests/unit/unit.h"

#include <stdlib.h>

static int count(const char *text, bool *bad)
{
    struct json_members it;
    struct json_member m;
    int n = 0;
    json_members_init(&it, slice_of(text));
    while (json_members_next(&it, &m))
        n++;
    *bad = it.bad;
    return n;
}

static void members_are_found_whatever_is_in_them(void **state)
{
    (void)state;
    bool bad;
    assert_int_equal(count("{}", &bad), 0);
    assert_false(bad);
    assert_int_equal(
        count(" { \"a\" : 1 , \"b\":[1,{\"c\":\"}\"},\"]\"],\"c\":{\"x\":{}} ,\"d\":\"\\\"\" } ",
              &bad),
        4);
    assert_false(bad);
}

static void there_are_not_too_many(void **state)
{
    (void)state;
    struct buf text;
    bool bad;
    buf_init(&text, 4096);
    buf_add_text(&text, "{\"a\":1");
    for (int i = 1; i < 100; i++)
        buf_add_text(&text, ",\"a\":1");
    buf_add_text(&text, "}");
    assert_int_equal(count(buf_text(&text), &bad), 100);
    assert_false(bad);
    text.len--;
    buf_add_text(&text, ",\"a\":1}");
    assert_int_equal(count(buf_text(&text), &bad), 100);
    assert_true(bad);
    buf_fini(&text);
}

static void what_is_no_object_is_bad(void **state)
{
    (void)state;
    static const char *const WRONG[] = {"",         "[1]",        "{",          "{\"a\"}",
                                        "{\"a\":}", "{\"a\":1",   "{\"a\":1,}", "{\"a\":1 \"b\":2}",
                                        "{a:1}",    "{\"a\":\"x", "{\"a\":[1}"};
    for (size_t i = 0; i < ARRAY_LEN(WRONG); i++) {
        bool bad;
        count(WRONG[i], &bad);
        if (!bad)
            fail_msg("accepted: %s", WRONG[i]);
    }
}

static void texts_are_resolved(void **state)
{
    (void)state;
    char out[8];
    struct slice body = slice_of("{\"x\":{\"id\":\"no\"},\"\\u0069d\":\"a\\u0062\",\"n\":5}");
    assert_true(json_members_text(body, "id", out, sizeof(out)));
    assert_string_equal(out, "ab");
    assert_false(json_members_text(body, "n", out, sizeof(out)));
    assert_false(json_members_text(body, "none", out, sizeof(out)));
    assert_false(
        json_members_text(slice_of("{\"id\":\"too long for it\"}"), "id", out, sizeof(out)));
}

/* A body that ends anywhere: nothing is read behind its end (the sanitizer watches the heap). */
static void every_prefix_is_safe(void **state)
{
    (void)state;
    const char *whole = "{\"a\\\"\":[{\"b\":\"c\\\\\"}],\"d\":-1.5e3,\"e\":\"\\u0041\"}";
    for (size_t len = 0; len <= strlen(whole); len++) {
        char *copy = malloc(len + 1);
        char out[16];
        assert_non_null(copy);
        memcpy(copy, whole, len);
        json_members_text((struct slice){copy, len}, "e", out, sizeof(out));
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_found_whatever_is_in_them),
        cmocka_unit_test(there_are_not_too_many),
        cmocka_unit_test(what_is_no_object_is_bad),
        cmocka_unit_test(texts_are_resolved),
        cmocka_unit_test(every_prefix_is_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
