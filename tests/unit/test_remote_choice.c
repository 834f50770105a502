#include "unit.h"

#include "router/remote_choice.h"

#define SITE(text, prio, share, up, room)                                                          \
    {                                                                                              \
        .name = text, .priority = prio, .weight = share, .reachable = up, .slots = room            \
    }

/* What the table says of three sites, for each wish. */
static void table(void **state)
{
    static const struct {
        const char *what, *wish;
        struct remote_choice_site sites[3];
        uint64_t draw;
        int chosen;
        enum decision_reason why;
    } ROWS[] = {
        {"first priority", "auto", {SITE("a", 1, 1, 1, 9), SITE("b", 0, 1, 1, 9)}, 0, 1, 0},
        {"unknown room counts as room", "auto", {SITE("a", 0, 1, 1, -1)}, 0, 0, 0},
        {"full goes on", "auto", {SITE("a", 0, 1, 1, 0), SITE("b", 1, 1, 1, 9)}, 0, 1, 0},
        {"down goes on", "remote", {SITE("a", 0, 1, 0, 9), SITE("b", 1, 1, 1, 9)}, 0, 1, 0},
        {"weight", "auto", {SITE("a", 0, 1, 1, 9), SITE("b", 0, 3, 1, 9)}, 0, 0, 0},
        {"weight", "auto", {SITE("a", 0, 1, 1, 9), SITE("b", 0, 3, 1, 9)}, 3, 1, 0},
        {"weight 0 only alone", "auto", {SITE("a", 0, 0, 1, 9), SITE("b", 0, 1, 1, 9)}, 7, 1, 0},
        {"weight 0 alone", "auto", {SITE("a", 0, 0, 1, 9)}, 7, 0, 0},
        {"by name", "b", {SITE("a", 0, 1, 1, 9), SITE("b", 5, 1, 1, 9)}, 0, 1, 0},
        {"by name, full",
         "b",
         {SITE("a", 0, 1, 1, 9), SITE("b", 5, 1, 1, 0)},
         0,
         -1,
         DECISION_REASON_REMOTE_FULL},
        {"nobody of that name", "c", {SITE("a", 0, 1, 1, 9)}, 0, -1, DECISION_REASON_NO_SUCH_SITE},
        {"all full",
         "auto",
         {SITE("a", 0, 1, 1, 0), SITE("b", 0, 1, 0, 9)},
         0,
         -1,
         DECISION_REASON_REMOTE_FULL},
        {"all down",
         "auto",
         {SITE("a", 0, 1, 0, 9), SITE("b", 0, 1, 0, 0)},
         0,
         -1,
         DECISION_REASON_REMOTE_DOWN},
        {"none", "auto", {{0}}, 0, -1, DECISION_REASON_NO_SUCH_SITE},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        size_t count = 0;
        enum decision_reason why = DECISION_REASON_COUNT;
        while (count < 3 && ROWS[i].sites[count].name)
            count++;
        int chosen = remote_choice_make(ROWS[i].sites, count, ROWS[i].wish, ROWS[i].draw, &why);
        if (chosen != ROWS[i].chosen || (chosen < 0 && why != ROWS[i].why))
            fail_msg("%s: row %zu: %d, %d", ROWS[i].what, i, chosen, (int)why);
    }
}

static void limit_of_sessions_and_refusals(void **state)
{
    struct remote_choice_site s = SITE("a", 0, 1, 1, 9);
    enum decision_reason why;
    (void)state;
    s.sessions_max = 2;
    s.sessions = 1;
    assert_int_equal(remote_choice_make(&s, 1, "auto", 0, &why), 0);
    s.sessions = 2;
    assert_int_equal(remote_choice_make(&s, 1, "auto", 0, &why), -1);
    assert_int_equal(why, DECISION_REASON_REMOTE_FULL);
    s.sessions = 0;
    s.tried = true;
    assert_int_equal(remote_choice_make(&s, 1, "auto", 0, &why), -1);
    assert_int_equal(why, DECISION_REASON_REMOTE_FULL);
}

static void elsewhere(void **state)
{
    struct remote_choice_site s = SITE("a", 0, 1, 1, 9);
    (void)state;
    assert_int_equal(remote_choice_elsewhere(&s, 0), DECISION_ELSEWHERE_NONE);
    assert_int_equal(remote_choice_elsewhere(&s, 1), DECISION_ELSEWHERE_OPEN);
    s.slots = 0;
    assert_int_equal(remote_choice_elsewhere(&s, 1), DECISION_ELSEWHERE_DOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(limit_of_sessions_and_refusals),
        cmocka_unit_test(elsewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
