#include "tests/unit/gateway_sample.h"
#include "tests/unit/unit.h"

static struct environments *environments;

static int set_up(void **state)
{
    (void)state;
    environments = sample_environments();
    return environments ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    environments_free(&environments);
    return 0;
}

static void an_empty_body_has_every_default(void **state)
{
    (void)state;
    struct session_request r;
    struct err err;
    assert_int_equal(sample_request(&r, environments, "", &err), 0);
    assert_string_equal(r.spec.environment, "python");
    assert_string_equal(r.placement, "auto");
    assert_int_equal(r.spec.cleanup, SESSION_CLEANUP_IDLE);
    assert_int_equal(r.spec.timeout_ms, 3600000);
    assert_int_equal(r.spec.idle_ms, 300000);
    assert_int_equal(r.spec.millicpu, 500);
    assert_int_equal(r.spec.memory_bytes, 256 << 20);
    assert_false(r.spec.has_env);
    session_request_fini(&r);
}

static void everything_can_be_said(void **state)
{
    (void)state;
    struct session_request r;
    struct err err;
    assert_int_equal(
        sample_request(
            &r, environments,
            "{\"session_id\":\"me\",\"environment\":\"node\",\"timeout_seconds\":5,"
            "\"idle_timeout_seconds\":6,\"resources\":{\"cpu\":1,\"memory\":\"32Mi\","
            "\"disk\":2097152},\"env\":{\"A\":\"b\"},\"cleanup\":\"completion\","
            "\"placement\":\"local\",\"runtime_class\":\"gvisor\",\"metadata\":{\"k\":1}}",
            &err),
        0);
    assert_string_equal(r.session_id, "me");
    assert_string_equal(r.spec.environment, "node");
    assert_int_equal(r.spec.timeout_ms, 5000);
    assert_int_equal(r.spec.idle_ms, 6000);
    assert_int_equal(r.spec.millicpu, 1000);
    assert_int_equal(r.spec.memory_bytes, 32 << 20);
    assert_int_equal(r.spec.disk_bytes, 2 << 20);
    assert_int_equal(r.spec.cleanup, SESSION_CLEANUP_COMPLETION);
    assert_string_equal(r.spec.runtime_class, "gvisor");
    assert_true(r.spec.has_env);
    assert_string_equal(json_get_text(r.env, "A", ""), "b");
    session_request_fini(&r);
}

static void what_is_wrong_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        enum err_code code;
        const char *names;
    } CASES[] = {
        {"[]", ERR_BAD_JSON, "object"},
        {"{\"colour\":1}", ERR_INVALID_ARGUMENT, "colour"},
        {"{\"timeout_seconds\":0}", ERR_INVALID_ARGUMENT, "timeout_seconds"},
        {"{\"timeout_seconds\":-1}", ERR_INVALID_ARGUMENT, "timeout_seconds"},
        {"{\"timeout_seconds\":1e308}", ERR_INVALID_ARGUMENT, "timeout_seconds"},
        {"{\"timeout_seconds\":1.5}", ERR_INVALID_ARGUMENT, "timeout_seconds"},
        {"{\"timeout_seconds\":86401}", ERR_LIMIT_EXCEEDED, "86400"},
        {"{\"idle_timeout_seconds\":\"5\"}", ERR_INVALID_ARGUMENT, "idle_timeout_seconds"},
        {"{\"environment\":\"lisp\"}", ERR_UNKNOWN_ENVIRONMENT, "lisp"},
        {"{\"environment\":5}", ERR_INVALID_ARGUMENT, "environment"},
        {"{\"session_id\":\"A\"}", ERR_INVALID_ID, "session id"},
        {"{\"session_id\":\"metrics\"}", ERR_RESERVED_ID, "metrics"},
        {"{\"cleanup\":\"never\"}", ERR_INVALID_ARGUMENT, "cleanup"},
        {"{\"placement\":\"a b\"}", ERR_INVALID_ARGUMENT, "placement"},
        {"{\"resources\":{\"gpu\":1}}", ERR_INVALID_ARGUMENT, "gpu"},
        {"{\"resources\":{\"cpu\":\"x\"}}", ERR_INVALID_ARGUMENT, "cpu"},
        {"{\"resources\":{\"cpu\":\"3\"}}", ERR_LIMIT_EXCEEDED, "2000m"},
        {"{\"resources\":{\"memory\":1}}", ERR_INVALID_ARGUMENT, "16Mi"},
        {"{\"env\":{\"1A\":\"x\"}}", ERR_INVALID_ARGUMENT, "1A"},
        {"{\"env\":{\"SPILLWAY_X\":\"x\"}}", ERR_INVALID_ARGUMENT, "SPILLWAY_X"},
        {"{\"env\":{\"A\":5}}", ERR_INVALID_ARGUMENT, "'A'"},
        {"{\"metadata\":[]}", ERR_INVALID_ARGUMENT, "metadata"},
        {"{\"metadata\":{\"a\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}}", ERR_LIMIT_EXCEEDED, "levels"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct session_request r;
        struct err err;
        int rc = sample_request(&r, environments, CASES[i].body, &err);
        if (rc != -(int)CASES[i].code || !strstr(err.msg, CASES[i].names))
            fail_msg("%s: %d %s", CASES[i].body, rc, rc < 0 ? err.msg : "accepted");
    }
}

static void fingerprint(const char *body, char out[DIGEST_HEX])
{
    struct session_request r;
    struct err err;
    assert_int_equal(sample_request(&r, environments, body, &err), 0);
    session_request_fingerprint(&r, slice_of("key"), out);
    session_request_fini(&r);
}

static void the_same_request_has_the_same_fingerprint(void **state)
{
    (void)state;
    char a[DIGEST_HEX], b[DIGEST_HEX];
    fingerprint("{\"timeout_seconds\":9,\"env\":{\"A\":\"1\",\"B\":\"2\"}}", a);
    fingerprint("{\"env\":{\"B\":\"2\",\"A\":\"1\"},\"timeout_seconds\":9}", b);
    assert_string_equal(a, b);
    fingerprint("{\"env\":{\"B\":\"2\",\"A\":\"2\"},\"timeout_seconds\":9}", b);
    assert_string_not_equal(a, b);
    fingerprint("{\"requirements\":[\"a\"]}", a);
    fingerprint("{\"requirements\":[\"b\"]}", b);
    assert_string_not_equal(a, b);
    fingerprint("", a);
    fingerprint("{\"requirements\":[],\"npm\":null}", b);
    assert_string_equal(a, b);
    fingerprint("{\"timeout_seconds\":3600}", b); /* the default, said aloud */
    assert_string_equal(a, b);
    fingerprint("{\"placement\":\"local\"}", b);
    assert_string_not_equal(a, b);
    fingerprint("{\"session_id\":\"x\"}", b);
    assert_string_equal(a, b);
}

static void either_site_key_recognises_a_request(void **state)
{
    (void)state;
    struct site_key keys;
    struct session_request r;
    struct err err;
    char old[DIGEST_HEX];
    assert_int_equal(site_key_parse(&keys,
                                    slice_of("00112233445566778899aabbccddeeff\n"
                                             "ffeeddccbbaa99887766554433221100\n"),
                                    "keys", &err),
                     0);
    assert_int_equal(sample_request(&r, environments, "", &err), 0);
    session_request_fingerprint(&r, site_key_at(&keys, 1), old);
    assert_true(session_request_matches(&r, &keys, old));
    old[0] = old[0] == '0' ? '1' : '0';
    assert_false(session_request_matches(&r, &keys, old));
    session_request_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_body_has_every_default),
        cmocka_unit_test(everything_can_be_said),
        cmocka_unit_test(what_is_wrong_is_refused_by_name),
        cmocka_unit_test(the_same_request_has_the_same_fingerprint),
        cmocka_unit_test(either_site_key_recognises_a_request),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
