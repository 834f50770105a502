#include "unit.h"

#include "sandbox/result_query.h"

static void defaults(void **state)
{
    (void)state;
    struct result_query q;
    struct err err = {0};
    assert_int_equal(result_query_parse((struct slice){0}, &q, &err), 0);
    assert_int_equal(q.limit, 256 * 1024);
    assert_int_equal(q.stdout_offset, 0);
    assert_int_equal(q.wait_s, 0);
    assert_false(q.base64);
    assert_string_equal(q.execution_id, "");
}

static void all_members(void **state)
{
    (void)state;
    struct result_query q;
    struct err err = {0};
    const char *text =
        "execution_id=a.B-1_&stdout_offset=5&stderr_offset=6&limit=7&wait=30&encoding=base64";
    assert_int_equal(result_query_parse(slice_of(text), &q, &err), 0);
    assert_string_equal(q.execution_id, "a.B-1_");
    assert_int_equal(q.stdout_offset, 5);
    assert_int_equal(q.stderr_offset, 6);
    assert_int_equal(q.limit, 7);
    assert_int_equal(q.wait_s, 30);
    assert_true(q.base64);
}

static void what_is_refused(void **state)
{
    (void)state;
    const struct {
        const char *query;
        enum err_code code;
    } rows[] = {
        {"limit=0", ERR_INVALID_ARGUMENT},
        {"limit=1048577", ERR_LIMIT_EXCEEDED},
        {"wait=31", ERR_LIMIT_EXCEEDED},
        {"stdout_offset=-1", ERR_INVALID_ARGUMENT},
        {"stdout_offset=1e3", ERR_INVALID_ARGUMENT},
        {"encoding=utf8", ERR_INVALID_ARGUMENT},
        {"execution_id=", ERR_INVALID_ID},
        {"execution_id=a%20b", ERR_INVALID_ID},
        {"execution_id=%zz", ERR_INVALID_ID},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct result_query q;
        struct err err = {0};
        assert_true(result_query_parse(slice_of(rows[i].query), &q, &err) < 0);
        assert_int_equal(err.code, rows[i].code);
    }
}

static void ids(void **state)
{
    (void)state;
    char long_id[66];
    memset(long_id, 'x', 65);
    long_id[65] = '\0';
    assert_false(result_query_id_ok(long_id));
    long_id[64] = '\0';
    assert_true(result_query_id_ok(long_id));
    assert_false(result_query_id_ok(""));
    assert_false(result_query_id_ok("a/b"));
    assert_false(result_query_id_ok("\xC3\xA9"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(all_members),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
