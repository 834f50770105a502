#include "unit.h"

#include "sandbox/exec_request.h"

#include <stdlib.h>

static struct agent_limits limits(void)
{
    struct agent_limits l;
    struct err err = {0};
    assert_int_equal(agent_limits_parse(&l, NULL, &err), 0);
    return l;
}

static int parse(const char *body, struct exec_request *r, struct err *err)
{
    struct agent_limits l = limits();
    *err = (struct err){0};
    return exec_request_parse_json(slice_of(body), "python", &l, r, err);
}

static void all_members(void **state)
{
    (void)state;
    struct exec_request r;
    struct err err;
    assert_int_equal(
        parse("{\"code\":\"x\",\"stdin\":\"in\",\"stdin_open\":true,\"args\":[\"a\",\"b\"],"
              "\"env\":{\"A\":\"1\"},\"timeout_seconds\":1.5,\"execution_id\":\"e.1\","
              "\"cwd\":\"/tmp\",\"filename\":\"a b.py\",\"background\":false}",
              &r, &err),
        0);
    assert_string_equal(r.code, "x");
    assert_int_equal(r.code_len, 1);
    assert_string_equal(r.stdin_data, "in");
    assert_true(r.stdin_open);
    assert_int_equal(r.args.count, 2);
    assert_string_equal(r.args.items[1], "b");
    assert_null(r.args.items[2]);
    assert_string_equal(r.env.items[0], "A=1");
    assert_int_equal(r.timeout_ms, 1500);
    assert_string_equal(r.execution_id, "e.1");
    assert_string_equal(r.filename, "a b.py");
    exec_request_fini(&r);
}

static void defaults(void **state)
{
    (void)state;
    struct exec_request r;
    struct err err;
    assert_int_equal(parse("{\"code\":\"\"}", &r, &err), 0);
    assert_int_equal(r.timeout_ms, 10000);
    assert_string_equal(r.execution_id, "");
    exec_request_fini(&r);
    assert_int_equal(parse("{\"code\":\"\",\"background\":true}", &r, &err), 0);
    assert_int_equal(r.timeout_ms, 0);
    exec_request_fini(&r);
    assert_int_equal(parse("{\"code\":\"\",\"timeout_seconds\":0.0001}", &r, &err), 0);
    assert_int_equal(r.timeout_ms, 1); /* above 0 stays above 0 */
    exec_request_fini(&r);
}

static void null_is_not_given(void **state)
{
    struct exec_request r;
    struct err err;
    (void)state;
    assert_int_equal(
        parse("{\"code\":\"1\",\"stdin\":null,\"stdin_file\":null,\"stdin_open\":null,"
              "\"background\":null,\"args\":null,\"env\":null,\"timeout_seconds\":null,"
              "\"execution_id\":null,\"cwd\":null,\"filename\":null,\"context\":null,"
              "\"files\":null,\"event\":null}",
              &r, &err),
        0);
    assert_null(r.stdin_data);
    assert_null(r.cwd);
    assert_string_equal(r.execution_id, "");
    assert_true(r.timeout_ms > 0);
    assert_string_equal(r.event, "null"); /* what a handler may be called with */
    exec_request_fini(&r);
}

static void what_is_refused(void **state)
{
    (void)state;
    const struct {
        const char *body;
        enum err_code code;
    } rows[] = {
        {"", ERR_BAD_JSON},
        {"[]", ERR_BAD_JSON},
        {"{}", ERR_INVALID_ARGUMENT},
        {"{\"code\":null}", ERR_INVALID_ARGUMENT},
        {"{\"code\":\"\",\"timeout_seconds\":0}", ERR_INVALID_ARGUMENT},
        {"{\"code\":\"\",\"timeout_seconds\":-0.5}", ERR_INVALID_ARGUMENT},
        {"{\"code\":\"\",\"cod\":null}", ERR_INVALID_ARGUMENT},
        {"{\"code\":\"\",\"timeout_seconds\":1e308}", ERR_LIMIT_EXCEEDED},
        {"{\"code\":\"\",\"timeout_seconds\":300.001}", ERR_LIMIT_EXCEEDED},
        {"{\"code\":\"\",\"background\":true,\"timeout_seconds\":86401}", ERR_LIMIT_EXCEEDED},
        {"{\"code\":\"\",\"cod\":1}", ERR_INVALID_ARGUMENT},
        {"{\"code\":\"\",\"context\":\"a/b\"}", ERR_INVALID_ID},
        {"{\"code\":\"\",\"context\":\"a\",\"stdin_open\":true}", ERR_INVALID_ARGUMENT},
        {"{\"code\":\"\",\"stdin_file\":\"a\",\"stdin\":\"\"}", ERR_INVALID_ARGUMENT},
        {"{\"code\":\"\",\"stdin_file\":\"a\",\"stdin_open\":true}", ERR_INVALID_ARGUMENT},
        {"{\"code\":\"\",\"stdin_file\":\"../a\"}", ERR_INVALID_ARGUMENT},
        {"{\"code\":\"\",\"stdin_file\":\"\"}", ERR_INVALID_ARGUMENT},
        {"{\"code\":\"\",\"stdin_file\":7}", ERR_INVALID_ARGUMENT},
        {"{\"code\":\"\",\"execution_id\":\"a b\"}", ERR_INVALID_ID},
        {"{\"code\":\"\",\"execution_id\":7}", ERR_INVALID_ID},
        {"{\"code\":\"\",\"filename\":\"a/b\"}", ERR_INVALID_ARGUMENT},
        {"{\"code\":\"\",\"filename\":\"a\\nb\"}", ERR_INVALID_ARGUMENT},
        {"{\"code\":\"\",\"env\":{\"SPILLWAY_TOKEN\":\"\"}}", ERR_INVALID_ARGUMENT},
        {"{\"code\":\"\",\"env\":{\"\":\"\"}}", ERR_INVALID_ARGUMENT},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct exec_request r;
        struct err err;
        assert_true(parse(rows[i].body, &r, &err) < 0);
        assert_int_equal(err.code, rows[i].code);
        assert_null(r.code); /* nothing is left to free */
    }
}

static void same_fingerprint(const char *a, const char *b, bool same)
{
    struct exec_request one, two;
    struct err err;
    assert_int_equal(parse(a, &one, &err), 0);
    assert_int_equal(parse(b, &two, &err), 0);
    assert_int_equal(strcmp(one.fingerprint, two.fingerprint) == 0, same);
    exec_request_fini(&one);
    exec_request_fini(&two);
}

static void fingerprints(void **state)
{
    (void)state;
    same_fingerprint("{\"code\":\"x\",\"args\":[]}", "{ \"args\": [], \"code\": \"x\" }", true);
    same_fingerprint("{\"code\":\"x\",\"execution_id\":\"a\"}", "{\"code\":\"x\"}", true);
    same_fingerprint("{\"code\":\"x\"}", "{\"code\":\"y\"}", false);
    same_fingerprint("{\"code\":\"x\"}", "{\"code\":\"x\",\"args\":[\"\"]}", false);
    struct agent_limits l = limits();
    struct exec_request python, bash;
    struct err err = {0};
    assert_int_equal(exec_request_parse_text(slice_of("x"), "python", &l, &python, &err), 0);
    assert_int_equal(exec_request_parse_text(slice_of("x"), "bash", &l, &bash, &err), 0);
    assert_string_not_equal(python.fingerprint, bash.fingerprint);
    exec_request_fini(&python);
    exec_request_fini(&bash);
}

static void code_may_be_any_bytes_as_text(void **state)
{
    (void)state;
    struct agent_limits l = limits();
    struct exec_request r;
    struct err err = {0};
    assert_int_equal(exec_request_parse_text((struct slice){"a\0\xFF", 3}, "python", &l, &r, &err),
                     0);
    assert_int_equal(r.code_len, 3);
    assert_memory_equal(r.code, "a\0\xFF", 3);
    exec_request_fini(&r);
    l.code_bytes = 2;
    assert_int_equal(exec_request_parse_text(slice_of("abc"), "python", &l, &r, &err),
                     -ERR_PAYLOAD_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_members),       cmocka_unit_test(defaults),
        cmocka_unit_test(null_is_not_given), cmocka_unit_test(what_is_refused),
        cmocka_unit_test(fingerprints),      cmocka_unit_test(code_may_be_any_bytes_as_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
