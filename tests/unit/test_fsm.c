#include "unit.h"

#include "base/cc.h"
#include "base/fsm.h"
#include "fake_world.h"

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

static void the_last_moves_are_kept(void **state)
{
    (void)state;
    struct fake_world w;
    fake_world_init(&w, 1);
    struct fsm_history past = {.world = &w.world};
    struct fsm door;
    fsm_init(&door, &DOOR, DOOR_OPEN);
    door.history = &past;
    assert_null(fsm_history_step(&past, 0));
    fsm_move(&door, DOOR_OPEN); /* no move */
    assert_null(fsm_history_step(&past, 0));
    for (int i = 0; i < FSM_HISTORY_MAX + 3; i++) {
        fake_world_run(&w, 10);
        fsm_move(&door, i % 2 ? DOOR_OPEN : DOOR_CLOSED);
    }
    int64_t first = world_wall_ms(&w.world) - 10 * (FSM_HISTORY_MAX - 1);
    for (unsigned i = 0; i < FSM_HISTORY_MAX; i++) {
        const struct fsm_step *step = fsm_history_step(&past, i);
        assert_int_equal(step->wall_ms, first + 10 * (int64_t)i);
        assert_int_equal(step->to, (i + 3) % 2 ? DOOR_OPEN : DOOR_CLOSED);
        assert_int_not_equal(step->from, step->to);
    }
    assert_null(fsm_history_step(&past, FSM_HISTORY_MAX));
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
        cmocka_unit_test(the_last_moves_are_kept),
        cmocka_unit_test(dot_shows_every_edge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
