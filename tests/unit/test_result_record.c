#include "unit.h"

#include "base/json.h"
#include "sandbox/result_record.h"

static void print_page(const struct result_source *s, int64_t offset, struct buf *out)
{
    struct err err = {0};
    struct result_query q = {.stdout_offset = offset, .limit = 7};
    assert_int_equal(result_page_print(s, &q, out, &err), 0);
}

static void a_record_pages_like_the_live_execution(void **state)
{
    (void)state;
    struct output out, std_err;
    output_init(&out, 40);
    output_init(&std_err, 40);
    for (int i = 0; i < 30; i++)
        output_add(&out, slice_of("ab\xE2\x82\xAC\n"));
    output_add(&std_err, (struct slice){"\0\xFF\n{", 4});
    struct json_t *meta = json_build("{s:s,s:s}", "status", "completed", "execution_id", "e1");
    struct result_source live = {meta, output_view(&out), output_view(&std_err), true};
    struct buf text;
    buf_init(&text, RESULT_RECORD_MAX);
    result_record_print(&live, &text);
    struct err err = {0};
    struct result_record *r = result_record_parse(buf_slice(&text), &err);
    assert_non_null(r);
    struct result_source stored = result_record_source(r);
    for (int64_t offset = 0; offset <= 180; offset++) {
        struct buf a, b;
        buf_init(&a, RESULT_PAGE_MAX);
        buf_init(&b, RESULT_PAGE_MAX);
        print_page(&live, offset, &a);
        print_page(&stored, offset, &b);
        assert_string_equal(buf_text(&a), buf_text(&b));
        buf_fini(&a);
        buf_fini(&b);
    }
    result_record_free(&r);
    assert_null(r);
    buf_fini(&text);
    json_free(meta);
    output_fini(&out);
    output_fini(&std_err);
}

static void what_contradicts_itself_is_refused(void **state)
{
    (void)state;
#define COUNTS(t, h, l) "{\"total\":" t ",\"head\":" h ",\"tail\":" l "}"
#define RECORD(out, err)                                                                           \
    "{\"status\":\"completed\",\"outputs\":{\"stdout\":" out ",\"stderr\":" err "}}\n"
    const char *bad[] = {
        "",
        "{}",
        "\n",
        "[]\n",
        "{}\n",
        "{\"status\":\"completed\"}\n",
        RECORD(COUNTS("3", "3", "0"), COUNTS("0", "0", "0")) "ab",
        RECORD(COUNTS("3", "3", "0"), COUNTS("0", "0", "0")) "abcd",
        RECORD(COUNTS("2", "3", "0"), COUNTS("0", "0", "0")) "abc",
        RECORD(COUNTS("3", "-1", "4"), COUNTS("0", "0", "0")) "abc",
        RECORD(COUNTS("9223372036854775807", "1", "9223372036854775807"),
               COUNTS("0", "0", "0")) "a",
        RECORD(COUNTS("\"3\"", "3", "0"), COUNTS("0", "0", "0")) "abc",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct err err = {0};
        assert_null(result_record_parse(slice_of(bad[i]), &err));
        assert_int_equal(err.code, ERR_STORE);
    }
    struct err err = {0};
    struct result_record *good = result_record_parse(
        slice_of(RECORD(COUNTS("9", "1", "2"), COUNTS("1", "1", "0")) "abcd"), &err);
    assert_non_null(good);
    assert_null(json_get(good->meta, "outputs"));
    result_record_free(&good);
    result_record_free(&good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_pages_like_the_live_execution),
        cmocka_unit_test(what_contradicts_itself_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
