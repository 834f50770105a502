#include "unit.h"

#include "base/json.h"
#include "sandbox/value_report.h"

#include <stdlib.h>

static void records(void **state)
{
    (void)state;
    struct value_report r;
    value_report_parse(&r, slice_of("C0\nR3\nabcN1\nEV2\n\n\nB0\n"));
    assert_true(r.cut);
    assert_true(slice_eq(r.value, "abc"));
    assert_true(slice_eq(r.error_name, "E"));
    assert_true(slice_eq(r.error_value, "\n\n"));
    assert_non_null(r.traceback.at);
    assert_int_equal(r.traceback.len, 0);
}

static void what_user_code_writes_there_is_harmless(void **state)
{
    (void)state;
    const char *odd[] = {
        "",         "R",      "R\n",   "R3", "R3\nab", "R-1\nx", "R99999999999999999999\nx",
        "R 3\nabc", "\n\n\n", "3\nabc"};
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        struct value_report r;
        value_report_parse(&r, slice_of(odd[i]));
        assert_null(r.value.at);
        assert_null(r.error_name.at);
    }
    struct value_report r;
    value_report_parse(&r, slice_of("R1\naZ1\nbX"));
    assert_true(slice_eq(r.value, "a"));
}

static void texts(void **state)
{
    (void)state;
    struct json_t *j = value_report_text((struct slice){0});
    assert_true(json_is_null(j));
    json_free(j);
    j = value_report_text((struct slice){"a\0\xFF", 3});
    assert_string_equal(json_text(j), "a\xEF\xBF\xBD\xEF\xBF\xBD");
    json_free(j);
    size_t size = VALUE_REPORT_TEXT_MAX + 5;
    char *large = malloc(size);
    memset(large, 0xFF, size);
    j = value_report_text((struct slice){large, size});
    assert_int_equal(json_text_len(j), VALUE_REPORT_TEXT_MAX * 3);
    json_free(j);
    free(large);
}

static void displays(void **state)
{
    (void)state;
    struct json_t *list = json_new_array();
    assert_true(value_report_add_displays(slice_of("D6\na/b\nxyR1\n3D3\nm\n\xFF"), list));
    assert_int_equal(json_count(list), 2);
    assert_string_equal(json_get_text(json_item(list, 0), "mime", ""), "a/b");
    assert_string_equal(json_get_text(json_item(list, 0), "data", ""), "xy");
    assert_string_equal(json_get_text(json_item(list, 1), "data", ""), "\xEF\xBF\xBD");
    assert_false(value_report_add_displays(slice_of("O0\n"), list));
    assert_false(value_report_add_displays(slice_of("D3\nabc"), list)); /* no mime type */
    assert_int_equal(json_count(list), 2);
    json_free(list);
}

static void displays_are_bounded_as_json(void **state)
{
    (void)state;
    struct json_t *list = json_new_array();
    struct buf b;
    size_t third = VALUE_REPORT_DISPLAYS_MAX / 3;
    buf_init(&b, VALUE_REPORT_BYTES_MAX);
    buf_addf(&b, "D%zu\nm\n", third + 2);
    char *zeros = calloc(1, third); /* six bytes each in JSON */
    buf_add(&b, zeros, third);
    buf_addf(&b, "D3\nm\nx");
    assert_false(value_report_add_displays(buf_slice(&b), list));
    assert_int_equal(json_count(list), 1);
    free(zeros);
    buf_fini(&b);
    json_free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records),
        cmocka_unit_test(what_user_code_writes_there_is_harmless),
        cmocka_unit_test(texts),
        cmocka_unit_test(displays),
        cmocka_unit_test(displays_are_bounded_as_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
