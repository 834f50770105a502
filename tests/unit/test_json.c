#include "unit.h"

#include "base/json.h"

#include <math.h>
#include <stdlib.h>

static const char *printed(const struct json_t *j)
{
    static char text[4096];
    struct buf out;
    buf_init(&out, sizeof(text) - 1);
    json_print(j, &out);
    assert_false(out.overflowed);
    memcpy(text, buf_text(&out), out.len + 1);
    buf_fini(&out);
    return text;
}

static struct json_t *parsed(const char *text)
{
    struct err err = {0};
    struct json_t *j = json_parse(slice_of(text), &err);
    if (!j)
        fail_msg("%s: %s", text, err.msg);
    return j;
}

static void assert_refused(const char *text, size_t len, const char *why)
{
    struct err err = {0};
    struct json_t *j = json_parse((struct slice){text, len}, &err);
    if (j)
        fail_msg("accepted: %s", text);
    assert_int_equal(err.code, ERR_BAD_JSON);
    if (!strstr(err.msg, why))
        fail_msg("%s: '%s' does not say '%s'", text, err.msg, why);
}

static void bad_json_is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *why;
    } CASES[] = {
        {"", "line 1"},
        {"  ", "line 1"},
        {"{\"a\":1,\n\"b\" 2}", "line 2"},
        {"{\"a\":1} x", "end of file"},
        {"{\"a\":1,\"a\":2}", "duplicate"},
        {"[1,]", "line 1"},
        {"{'a':1}", "line 1"},
        {"[NaN]", "line 1"},
        {"[Infinity]", "line 1"},
        {"[01]", "line 1"},
        {"[1e999]", "overflow"},
        {"[99999999999999999999]", "too big"},
        {"\"\\ud800\"", "line 1"},
        {"\"\\u0000\"", "\\u0000"},
        {"\"\x01\"", "control"},
        {"\"\xff\"", "0xff"},
        {"\"\xc0\xaf\"", "0xc0"},
        {"\"open", "line 1"},
        {"tru", "line 1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        assert_refused(CASES[i].text, strlen(CASES[i].text), CASES[i].why);
    assert_refused("[1]\0", 4, "line 1");
    assert_refused("\"a\0b\"", 5, "line 1");
    assert_refused(NULL, 0, "line 1");
}

static void error_texts_are_printable(void **state)
{
    (void)state;
    static const char *const CASES[] = {"[\"\xff\xfe\x1b\", \x1b\xff]", "[\x1b[31m]", "[\xc3\xa4]",
                                        "[\"text\n\"]", "[\x7f]"};
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct err err = {0};
        assert_null(json_parse(slice_of(CASES[i]), &err));
        for (const char *c = err.msg; *c; c++)
            assert_in_range(*c, ' ', '~');
    }
}

static void nest(char *out, int depth, const char *open, const char *close)
{
    *out = '\0';
    for (int i = 0; i < depth; i++)
        strcat(out, open);
    strcat(out, "1");
    for (int i = 0; i < depth; i++)
        strcat(out, close);
}

static void depth_has_a_limit(void **state)
{
    (void)state;
    char text[1024];
    nest(text, JSON_DEPTH_MAX, "[", "]");
    json_free(parsed(text));
    nest(text, JSON_DEPTH_MAX + 1, "[", "]");
    assert_refused(text, strlen(text), "limit of 32");
    nest(text, JSON_DEPTH_MAX, "{\"a\":", "}");
    json_free(parsed(text));
    nest(text, JSON_DEPTH_MAX + 1, "{\"a\":", "}");
    assert_refused(text, strlen(text), "limit of 32");
    /* brackets in texts do not count, escaped quotes do not end a text */
    json_free(parsed("\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\\\""));
    /* closed ones do not count, as often as they come */
    json_free(
        parsed("[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],"
               "[],[],[],[],[],[],[],[],[],[],[],[],[],[]]"));
    assert_refused("]]]]]]]]]", 9, "line 1");
    size_t len = 4 * 1024 * 1024;
    char *bomb = malloc(len);
    memset(bomb, '[', len);
    assert_refused(bomb, len, "limit of 32");
    free(bomb);
}

static void only_objects_where_objects_are_wanted(void **state)
{
    (void)state;
    struct err err = {0};
    assert_null(json_parse_object(slice_of("[]"), &err));
    assert_int_equal(err.code, ERR_BAD_JSON);
    struct json_t *j = json_parse_object(slice_of("{}"), &err);
    assert_true(json_is_object(j));
    json_free(j);
}

static void getters_give_what_is_there(void **state)
{
    (void)state;
    struct json_t *j =
        parsed("{\"s\":\"text\",\"i\":-7,\"r\":1.5,\"t\":true,\"f\":false,\"n\":null,"
               "\"a\":[1,2],\"o\":{\"p\":{\"q\":\"deep\"}},\"a.b\":1}");
    assert_string_equal(json_text(json_get(j, "s")), "text");
    assert_int_equal(json_text_len(json_get(j, "s")), 4);
    assert_null(json_text(json_get(j, "i")));
    assert_int_equal(json_int(json_get(j, "i"), 0), -7);
    assert_int_equal(json_int(json_get(j, "r"), 9), 9);
    assert_int_equal(json_int(NULL, 9), 9);
    assert_true(json_number(json_get(j, "r"), 0) == 1.5);
    assert_true(json_number(json_get(j, "i"), 0) == -7);
    assert_true(json_number(json_get(j, "s"), 2) == 2);
    assert_true(json_true(json_get(j, "t")));
    assert_false(json_true(json_get(j, "f")));
    assert_false(json_true(json_get(j, "s")));
    assert_false(json_true(NULL));
    assert_true(json_is_null(json_get(j, "n")));
    assert_null(json_get(j, "missing"));
    assert_null(json_get(json_get(j, "a"), "x"));
    assert_null(json_get(NULL, "x"));
    assert_int_equal(json_count(json_get(j, "a")), 2);
    assert_int_equal(json_count(j), 9);
    assert_int_equal(json_count(json_get(j, "s")), 0);
    assert_int_equal(json_int(json_item(json_get(j, "a"), 1), 0), 2);
    assert_null(json_item(json_get(j, "a"), 2));
    assert_string_equal(json_text(json_at(j, "o", "p", "q", NULL)), "deep");
    assert_null(json_at(j, "o", "x", "q", NULL));
    assert_ptr_equal(json_at(j, NULL), j);
    assert_string_equal(json_get_text(j, "s", "-"), "text");
    assert_string_equal(json_get_text(j, "i", "-"), "-");
    assert_int_equal(json_int(json_get(j, "a.b"), 0), 1);
    json_free(j);
}

static void types_are_told_apart(void **state)
{
    (void)state;
    struct json_t *j = parsed("[1,1.0,\"1\",true,false,null,{},[]]");
    assert_true(json_is_array(j));
    assert_true(json_is_integer(json_item(j, 0)) && json_is_number(json_item(j, 0)));
    assert_true(!json_is_integer(json_item(j, 1)) && json_is_number(json_item(j, 1)));
    assert_true(json_is_string(json_item(j, 2)) && !json_is_number(json_item(j, 2)));
    assert_true(json_is_bool(json_item(j, 3)) && json_is_bool(json_item(j, 4)));
    assert_true(json_is_null(json_item(j, 5)) && !json_is_bool(json_item(j, 5)));
    assert_true(json_is_object(json_item(j, 6)) && json_is_array(json_item(j, 7)));
    assert_false(json_is_object(NULL) || json_is_array(NULL) || json_is_string(NULL) ||
                 json_is_integer(NULL) || json_is_number(NULL) || json_is_bool(NULL) ||
                 json_is_null(NULL));
    json_free(j);
    json_free(NULL);
}

static void objects_are_walked(void **state)
{
    (void)state;
    struct json_t *j = parsed("{\"a\":1,\"b\":2,\"c\":3}");
    const char *key;
    struct json_t *value;
    int64_t sum = 0;
    int count = 0;
    for (void *it = NULL; (it = json_next(j, it, &key, &value)); count++)
        sum += json_int(value, 0) * (key[0] - 'a' + 1);
    assert_int_equal(count, 3);
    assert_int_equal(sum, 14);
    assert_null(json_next(NULL, NULL, &key, &value));
    json_free(j);
}

static void values_are_built_and_printed(void **state)
{
    (void)state;
    struct json_t *j = json_new_object();
    json_set_text(j, "text", "a\"b");
    json_set_text(j, "none", NULL);
    json_set_int(j, "n", INT64_MIN);
    json_set_bool(j, "yes", true);
    json_set(j, "no", json_new_bool(false));
    json_set(j, "real", json_new_number(0.1));
    json_set(j, "nan", json_new_number(NAN));
    json_set(j, "list", json_new_array());
    json_add(json_get(j, "list"), json_build("{s:s,s:i}", "kind", "Pod", "n", 1));
    json_set(j, "\xff", json_new_int(1)); /* no key */
    assert_string_equal(printed(j), "{\"text\":\"a\\\"b\",\"none\":null,\"n\":-9223372036854775808,"
                                    "\"yes\":true,\"no\":false,\"real\":0.1,\"nan\":null,"
                                    "\"list\":[{\"kind\":\"Pod\",\"n\":1}]}");
    json_remove(j, "list");
    json_remove(j, "missing");
    assert_null(json_get(j, "list"));
    assert_aborts(json_set(j, "x", NULL));
    assert_aborts(json_build("{s:", "x"));
    json_free(j);
}

static void texts_that_are_not_utf8_become_null(void **state)
{
    (void)state;
    struct json_t *j = json_new_text_n("a\xff", 2);
    assert_true(json_is_null(j));
    json_free(j);
    j = json_new_text_n("abc", 2);
    assert_string_equal(json_text(j), "ab");
    json_free(j);
}

static void sorted_print_is_canonical(void **state)
{
    (void)state;
    struct json_t *one = parsed("{\"b\":1,\"a\":{\"d\":1,\"c\":2}}");
    struct json_t *other = parsed(" { \"a\" : {\"c\":2, \"d\":1}, \"b\":1 }");
    struct buf a, b;
    buf_init(&a, 1000);
    buf_init(&b, 1000);
    json_print_sorted(one, &a);
    json_print_sorted(other, &b);
    assert_string_equal(buf_text(&a), buf_text(&b));
    assert_string_equal(buf_text(&a), "{\"a\":{\"c\":2,\"d\":1},\"b\":1}");
    buf_fini(&a);
    buf_fini(&b);
    json_free(one);
    json_free(other);
}

static void a_print_that_does_not_fit_is_marked(void **state)
{
    (void)state;
    struct json_t *j = json_new_text("0123456789");
    struct buf out;
    buf_init(&out, 5);
    json_print(j, &out);
    assert_true(out.overflowed);
    buf_fini(&out);
    json_free(j);
}

static void copies_are_deep(void **state)
{
    (void)state;
    struct json_t *j = parsed("{\"a\":{\"b\":1}}");
    struct json_t *copy = json_copy(j);
    json_set_int(json_get(copy, "a"), "b", 2);
    assert_int_equal(json_int(json_at(j, "a", "b", NULL), 0), 1);
    struct json_t *same = json_ref(j);
    json_free(j);
    assert_int_equal(json_int(json_at(same, "a", "b", NULL), 0), 1);
    json_free(same);
    json_free(copy);
}

/* RFC 7396's appendix, where the target is an object. */
static void merge_patch_follows_the_rfc(void **state)
{
    (void)state;
    static const struct {
        const char *target, *patch, *result;
    } CASES[] = {
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
        {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
        {"{\"a\":1}", "[1]", "{\"a\":1}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct json_t *target = parsed(CASES[i].target), *patch = parsed(CASES[i].patch);
        json_merge_patch(target, patch);
        assert_string_equal(printed(target), CASES[i].result);
        json_free(target);
        json_free(patch);
    }
}

static void strings_are_escaped_and_made_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        size_t len;
        const char *out;
    } CASES[] = {
        {"", 0, "\"\""},
        {"plain", 5, "\"plain\""},
        {"a\"b\\c\n\r\t\x01\0", 10, "\"a\\\"b\\\\c\\n\\r\\t\\u0001\\u0000\""},
        {"\x7f", 1, "\"\x7f\""},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {"\xff", 1, "\"\xef\xbf\xbd\""},
        {"a\xc3", 2, "\"a\xef\xbf\xbd\""},
        {"\xe2\x82", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xc0\xaf", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\""},                 /* overlong */
        {"\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* surrogate */
        {"\xf4\x90\x80\x80", 4, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct buf out;
        struct err err = {0};
        buf_init(&out, 1000);
        json_print_string(&out, (struct slice){CASES[i].in, CASES[i].len});
        assert_string_equal(buf_text(&out), CASES[i].out);
        if (!memchr(CASES[i].in, 0, CASES[i].len)) {
            struct json_t *j = json_parse(buf_slice(&out), &err);
            assert_true(json_is_string(j));
            json_free(j);
        }
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_json_is_refused_with_its_place),
        cmocka_unit_test(error_texts_are_printable),
        cmocka_unit_test(depth_has_a_limit),
        cmocka_unit_test(only_objects_where_objects_are_wanted),
        cmocka_unit_test(getters_give_what_is_there),
        cmocka_unit_test(types_are_told_apart),
        cmocka_unit_test(objects_are_walked),
        cmocka_unit_test(values_are_built_and_printed),
        cmocka_unit_test(texts_that_are_not_utf8_become_null),
        cmocka_unit_test(sorted_print_is_canonical),
        cmocka_unit_test(a_print_that_does_not_fit_is_marked),
        cmocka_unit_test(copies_are_deep),
        cmocka_unit_test(merge_patch_follows_the_rfc),
        cmocka_unit_test(strings_are_escaped_and_made_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
