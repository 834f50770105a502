#include "unit.h"

#include "http/http_call_head.h"

static struct http_call_head head;

static int set_up(void **state)
{
    (void)state;
    memset(&head, 0, sizeof(head));
    http_call_head_init(&head);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    http_call_head_fini(&head);
    return 0;
}

static bool line(const char *text)
{
    return http_call_head_line(&head, slice_of(text));
}

static void assert_field(const char *name, const char *value)
{
    struct slice s = http_call_head_get(&head, name);
    assert_true(slice_eq(s, value));
}

static void fields_of_an_answer(void **state)
{
    (void)state;
    assert_false(line("HTTP/1.1 201 Created\r\n"));
    assert_false(line("Content-Length: 12\r\n"));
    assert_false(line("X-Empty:\r\n"));
    assert_false(line("x-spaces: \t a b \t\r\n"));
    assert_true(line("\r\n"));
    assert_int_equal(head.status, 201);
    assert_int_equal(head.content_length, 12);
    assert_int_equal(head.field_count, 3);
    assert_field("content-length", "12");
    assert_field("X-Empty", "");
    assert_field("X-Spaces", "a b");
    assert_null(http_call_head_get(&head, "none").at);
}

static void interim_answers_and_trailers_leave_no_trace(void **state)
{
    (void)state;
    line("HTTP/1.1 103 Early Hints\r\n");
    line("Link: x\r\n");
    assert_false(line("\r\n"));
    line("HTTP/2 200 \r\n");
    line("a: 1\r\n");
    assert_true(line("\r\n"));
    assert_int_equal(head.status, 200);
    assert_int_equal(head.content_length, -1);
    assert_false(line("Trailer: late\r\n"));
    assert_false(line("\r\n"));
    assert_int_equal(head.field_count, 1);
    assert_null(http_call_head_get(&head, "Link").at);
    assert_null(http_call_head_get(&head, "Trailer").at);
}

static void too_much_is_bad(void **state)
{
    char long_line[4096];
    (void)state;
    line("HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < HTTP_CALL_FIELDS_MAX; i++)
        line("a: b\r\n");
    assert_false(head.bad);
    line("a: b\r\n");
    assert_true(head.bad);
    line("HTTP/1.1 200 OK\r\n");
    assert_false(head.bad);
    memset(long_line, 'x', sizeof(long_line) - 1);
    long_line[1] = ':';
    long_line[sizeof(long_line) - 1] = '\0';
    for (int i = 0; i < 20; i++)
        line(long_line);
    assert_true(head.bad);
}

static void lines_that_are_no_fields(void **state)
{
    (void)state;
    line("HTTP/1.1 200 OK\r\n");
    line("no colon\r\n");
    line(": no name\r\n");
    assert_true(line("\r\n"));
    assert_int_equal(head.field_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fields_of_an_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(interim_answers_and_trailers_leave_no_trace, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(too_much_is_bad, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lines_that_are_no_fields, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
