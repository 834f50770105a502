#include "unit.h"

#include "base/err.h"

#include <ctype.h>
#include <errno.h>

static void set_fills_code_message_and_retry(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(err_set(&err, ERR_CAPACITY_FULL, "%d of %d", 4, 4), -ERR_CAPACITY_FULL);
    assert_int_equal(err.code, ERR_CAPACITY_FULL);
    assert_string_equal(err.msg, "4 of 4");
    assert_int_equal(err.retry_after_s, 5);
    assert_int_equal(err_set(&err, ERR_NOT_FOUND, "no"), -ERR_NOT_FOUND);
    assert_int_equal(err.retry_after_s, 0);
    assert_int_equal(err_set(NULL, ERR_NOT_FOUND, "no"), -ERR_NOT_FOUND);
}

static void wrap_puts_text_before_the_message(void **state)
{
    (void)state;
    struct err err = {0};
    err_set(&err, ERR_STORE, "closed");
    assert_int_equal(err_wrap(&err, "pod=%s", "py-7"), -ERR_STORE);
    assert_string_equal(err.msg, "pod=py-7: closed");
    assert_int_equal(err.code, ERR_STORE);
    err_set(&err, ERR_STORE, "again: %s", err.msg); /* its own message as an argument */
    assert_string_equal(err.msg, "again: pod=py-7: closed");
}

static void long_messages_are_cut_and_terminated(void **state)
{
    (void)state;
    struct err err = {0};
    char text[1000];
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    err_set(&err, ERR_INTERNAL, "%s", text);
    assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
    err_wrap(&err, "front");
    assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
    assert_memory_equal(err.msg, "front: xxx", 10);
    err_wrap(&err, "%s", text);
    assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
    err_set_errno(&err, ERR_SYSTEM, ENOENT, "%s", text);
    assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
}

static void errno_stands_behind_the_message(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(err_set_errno(&err, ERR_SYSTEM, ENOENT, "open %s", "/x"), -ERR_SYSTEM);
    assert_string_equal(err.msg, "open /x: No such file or directory");
}

static void every_row_of_the_table_makes_sense(void **state)
{
    (void)state;
    for (int code = 1; code < ERR_CODE_COUNT; code++) {
        const char *wire = err_wire_name((enum err_code)code);
        assert_true(strlen(wire) > 0);
        for (const char *c = wire; *c; c++)
            assert_true(islower((unsigned char)*c) || isdigit((unsigned char)*c) || *c == '_');
        assert_true(strlen(err_title((enum err_code)code)) > 0);
        assert_in_range(err_http_status((enum err_code)code), 400, 599);
        assert_in_range(err_retry_after_s((enum err_code)code), 0, 60);
        for (int other = 1; other < code; other++)
            assert_string_not_equal(wire, err_wire_name((enum err_code)other));
    }
    assert_aborts(err_title(ERR_CODE_COUNT));
    assert_aborts(err_title((enum err_code) - 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_fills_code_message_and_retry),
        cmocka_unit_test(wrap_puts_text_before_the_message),
        cmocka_unit_test(long_messages_are_cut_and_terminated),
        cmocka_unit_test(errno_stands_behind_the_message),
        cmocka_unit_test(every_row_of_the_table_makes_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
