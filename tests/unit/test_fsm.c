#include "unit.h"

#include "base/cc.h"
#include "base/fsm.h"

#include <stdlib.h>

#define DOOR_STATES(X)                                                                             \
    X(DOOR, OPEN, FSM_TO(DOOR_CLOSED))                                                             \
    X(DOOR, CLOSED, FSM_TO(DOOR_OPEN) | FSM_TO(DOOR_WALLED))                                       \
    X(DOOR, WALLED, 0)

enum door_state { DOOR_STATES(FSM_ENUM) };
static const struct fsm_state STATES[] = {DOOR_STATES(FSM_STATE)};
static const struct fsm_table DOOR = {"door", STATES, ARRAY_LEN(STATES)};

static void moves_along_the_table(void **state)
{
    (void)state;
    struct fsm door;
    fsm_init(&door, &DOOR, DOOR_OPEN);
    assert_string_equal(fsm_state_name(&door), "OPEN");
    fsm_move(&door, DOOR_OPEN); /* to where it is: nothing */
    assert_true(fsm_may_move(&door, DOOR_CLOSED));
    assert_false(fsm_may_move(&door, DOOR_WALLED));
    fsm_move(&door, DOOR_CLOSED);
    fsm_move(&door, DOOR_WALLED);
    assert_int_equal(door.state, DOOR_WALLED);
    for (int to = -1; to <= 32; to++)
        assert_false(fsm_may_move(&door, to));
}

static void a_move_that_is_not_in_the_table_aborts(void **state)
{
    (void)state;
    struct fsm door;
    fsm_init(&door, &DOOR, DOOR_OPEN);
    assert_aborts(fsm_move(&door, DOOR_WALLED));
    assert_aborts(fsm_move(&door, 7));
    assert_aborts(fsm_move(&door, -1));
    assert_aborts(fsm_init(&door, &DOOR, 3));
}

static void dot_shows_every_edge(void **state)
{
    (void)state;
    char *dot = fsm_table_dot(&DOOR);
    assert_string_equal(dot, "digraph door {\n"
                             "    OPEN;\n    OPEN -> CLOSED;\n"
                             "    CLOSED;\n    CLOSED -> OPEN;\n    CLOSED -> WALLED;\n"
                             "    WALLED [peripheries=2];\n}\n");
    free(dot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moves_along_the_table),
        cmocka_unit_test(a_move_that_is_not_in_the_table_aborts),
        cmocka_unit_test(dot_shows_every_edge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
