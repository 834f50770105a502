#include "unit.h"

#include "sandbox/activity.h"

static void idle_counts_from_the_last_end(void **state)
{
    (void)state;
    struct activity a;
    activity_init(&a, 1000);
    assert_int_equal(activity_idle_ms(&a, 1500), 500);
    activity_submitted(&a, "e1", 2000);
    assert_int_equal(activity_idle_ms(&a, 5000), 0);
    activity_ended(&a, 6000);
    assert_int_equal(activity_idle_ms(&a, 6250), 250);
    activity_touch(&a, 6300);
    assert_int_equal(activity_idle_ms(&a, 6350), 50);
    assert_string_equal(a.last_execution, "e1");
    assert_int_equal(a.last_end_ms, 6000);
}

static void every_change_moves_seq(void **state)
{
    (void)state;
    struct activity a;
    activity_init(&a, 0);
    int64_t seq = a.seq;
#define CHANGES(call)                                                                              \
    call;                                                                                          \
    assert_true(a.seq > seq);                                                                      \
    seq = a.seq
    CHANGES(activity_start(&a, 1));
    CHANGES(activity_set_deadline(&a, 9));
    CHANGES(activity_submitted(&a, "e", 2));
    CHANGES(activity_ended(&a, 3));
    CHANGES(activity_changed(&a));
    CHANGES(activity_force_quiesce(&a));
    activity_force_quiesce(&a);
    assert_int_equal(a.seq, seq);
}

static void consent_is_given_only_to_the_idle(void **state)
{
    (void)state;
    struct activity a;
    activity_init(&a, 0);
    activity_submitted(&a, "e", 100);
    assert_false(activity_quiesce(&a, 0, 100000));
    activity_ended(&a, 200);
    assert_false(activity_quiesce(&a, 101, 300));
    assert_true(activity_quiesce(&a, 100, 300));
    assert_true(activity_quiesce(&a, 100000, 301)); /* said is said */
    assert_true(a.quiesced);
}

static void an_end_without_a_beginning_is_our_own_error(void **state)
{
    (void)state;
    struct activity a;
    activity_init(&a, 0);
    assert_aborts(activity_ended(&a, 1));
}

static void tenders(void **state)
{
    (void)state;
    struct activity a;
    activity_init(&a, 0);
    activity_tender_enter(&a, "one");
    activity_tender_enter(&a, "one");
    activity_tender_leave(&a, "one", 10);
    assert_int_equal(activity_tended_ms(&a, 50), 0);
    activity_tender_enter(&a, "two");
    activity_tender_leave(&a, "one", 60); /* the older one's leaving is nothing */
    assert_int_equal(activity_tended_ms(&a, 70), 0);
    activity_tender_leave(&a, "two", 80);
    assert_int_equal(activity_tended_ms(&a, 100), 20);
    activity_tender_leave(&a, "two", 90);
    assert_int_equal(activity_tended_ms(&a, 100), 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idle_counts_from_the_last_end),
        cmocka_unit_test(every_change_moves_seq),
        cmocka_unit_test(consent_is_given_only_to_the_idle),
        cmocka_unit_test(an_end_without_a_beginning_is_our_own_error),
        cmocka_unit_test(tenders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
