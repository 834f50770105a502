#include "unit.h"

#include "base/buf.h"
#include "base/json.h"
#include "http/problem.h"

static struct json_t *print(const struct err *e, const char *instance, const char *request,
                            const char *session)
{
    struct buf out;
    struct err bad;
    buf_init(&out, 8192);
    problem_print(&out, e, instance, request, session);
    struct json_t *j = json_parse_object(buf_slice(&out), &bad);
    assert_non_null(j);
    buf_fini(&out);
    return j;
}

static void has_all_members(void **state)
{
    struct err e = {0};
    (void)state;
    err_set(&e, ERR_CAPACITY_FULL, "no room for %s", "it");
    struct json_t *j = print(&e, "/api/v1/sessions", "r1", "s1");
    assert_string_equal(json_get_text(j, "code", ""), "capacity_full");
    assert_string_equal(json_get_text(j, "title", ""), err_title(ERR_CAPACITY_FULL));
    assert_string_equal(json_get_text(j, "detail", ""), "no room for it");
    assert_string_equal(json_get_text(j, "instance", ""), "/api/v1/sessions");
    assert_string_equal(json_get_text(j, "request_id", ""), "r1");
    assert_string_equal(json_get_text(j, "session_id", ""), "s1");
    assert_int_equal(json_int(json_get(j, "status"), 0), 503);
    assert_int_equal(json_int(json_get(j, "retry_after"), 0), 5);
    assert_non_null(json_get(j, "type"));
    json_free(j);
}

static void leaves_out_what_it_does_not_know(void **state)
{
    struct err e = {0};
    (void)state;
    err_set(&e, ERR_NOT_FOUND, "nothing");
    struct json_t *j = print(&e, NULL, NULL, NULL);
    assert_null(json_get(j, "instance"));
    assert_null(json_get(j, "request_id"));
    assert_null(json_get(j, "session_id"));
    assert_null(json_get(j, "retry_after"));
    json_free(j);
}

static void quotes_what_clients_sent(void **state)
{
    struct err e = {0};
    (void)state;
    err_set(&e, ERR_BAD_REQUEST, "it said \"%s\"", "a\r\n\x01\"}\xff");
    struct json_t *j = print(&e, "/\"\\", "r", "s");
    assert_string_equal(json_get_text(j, "detail", ""), "it said \"a\r\n\x01\"}\xef\xbf\xbd\"");
    assert_string_equal(json_get_text(j, "instance", ""), "/\"\\");
    json_free(j);
}

static void own_retry_after_wins(void **state)
{
    struct err e = {0};
    (void)state;
    err_set(&e, ERR_CAPACITY_FULL, "full");
    e.retry_after_s = 42;
    struct json_t *j = print(&e, NULL, NULL, NULL);
    assert_int_equal(json_int(json_get(j, "retry_after"), 0), 42);
    json_free(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_all_members),
        cmocka_unit_test(leaves_out_what_it_does_not_know),
        cmocka_unit_test(quotes_what_clients_sent),
        cmocka_unit_test(own_retry_after_wins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
