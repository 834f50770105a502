#include "unit.h"

#include "sandbox/past_executions.h"

#include <stdio.h>

#define BODY_A "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
#define BODY_B "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d"

static void found_by_id_and_held_against_the_body(void **state)
{
    (void)state;
    struct past_executions p = {0};
    assert_null(past_executions_find(&p, "e1"));
    past_executions_add(&p, "e1", BODY_A, "completed");
    past_executions_add(&p, "e2", BODY_B, "oom");
    const struct past_execution *e = past_executions_find(&p, "e2");
    assert_non_null(e);
    assert_string_equal(past_execution_status(e), "oom");
    assert_true(past_execution_is(e, BODY_B));
    assert_false(past_execution_is(e, BODY_A));
    assert_string_equal(past_execution_status(past_executions_find(&p, "e1")), "completed");
    assert_null(past_executions_find(&p, "e"));
    assert_null(past_executions_find(&p, "e11"));
    past_executions_fini(&p);
}

static void printed_as_the_beginning_of_each_digest(void **state)
{
    (void)state;
    struct past_executions p = {0};
    struct buf b;
    buf_init(&b, 2 * PAST_EXECUTION_ID_HEX);
    past_executions_print(&p, &b);
    assert_int_equal(b.len, 0);
    past_executions_add(&p, "a", BODY_A, "failed");
    past_executions_add(&p, "b", BODY_A, "killed");
    past_executions_print(&p, &b);
    assert_string_equal(buf_text(&b), "ca978112ca1b"
                                      "3e23e8160039");
    buf_fini(&b);
    past_executions_fini(&p);
}

static void many(void **state)
{
    (void)state;
    struct past_executions p = {0};
    char id[16];
    for (int i = 0; i < 3000; i++) {
        snprintf(id, sizeof(id), "n%d", i);
        past_executions_add(&p, id, BODY_A, "timeout");
    }
    for (int i = 0; i < 3000; i++) {
        snprintf(id, sizeof(id), "n%d", i);
        assert_ptr_equal(past_executions_find(&p, id), &p.items[i]);
    }
    assert_null(past_executions_find(&p, "n3000"));
    past_executions_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(found_by_id_and_held_against_the_body),
        cmocka_unit_test(printed_as_the_beginning_of_each_digest),
        cmocka_unit_test(many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
