#include "unit.h"

#include "sandbox/process_tree.h"

static void stat_lines(void **state)
{
    (void)state;
    struct process p;
    assert_true(process_tree_parse(slice_of("12 (bash) S 7 12 12 0"), &p));
    assert_int_equal(p.pid, 12);
    assert_int_equal(p.parent, 7);
    assert_int_equal(p.state, 'S');
    assert_true(process_tree_parse(slice_of("5 (a) R 1 (b)) Z 3 5"),
                                   &p)); /* the name is the process's own choice */
    assert_int_equal(p.parent, 3);
    assert_int_equal(p.state, 'Z');
    assert_true(p.over);
    const char *bad[] = {"",           "x",       "12",
                         "12 (a",      "12 (a)",  "12 (a) S",
                         "12 (a) S x", "(a) S 1", "99999999999999 (a) S 1",
                         "0 (a) S 1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(process_tree_parse(slice_of(bad[i]), &p));
}

/* Its first thread ended, another goes on: no zombie, though its state says so. */
static void a_zombie_with_threads_is_not_over(void **state)
{
    (void)state;
    struct process p;
    const char *dead = "9 (x) Z 7 9 9 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 5 0 0";
    const char *alive = "9 (x) Z 7 9 9 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 2 0 5 0 0";
    assert_true(process_tree_parse(slice_of(dead), &p) && p.over);
    assert_true(process_tree_parse(slice_of(alive), &p) && !p.over);
    assert_int_equal(p.parent, 7);
}

static void descendants_are_marked_in_any_order(void **state)
{
    (void)state;
    struct process items[] = {
        {.pid = 40, .parent = 30, .state = 'S'}, {.pid = 30, .parent = 20, .state = 'R'},
        {.pid = 20, .parent = 1, .state = 'S'},  {.pid = 1, .parent = 0, .state = 'S'},
        {.pid = 31, .parent = 20, .over = true}, {.pid = 50, .parent = 1, .state = 'S'},
        {.pid = 51, .parent = 50, .state = 'S'},
    };
    struct process_tree t = {items, sizeof(items) / sizeof(items[0]), 0};
    process_tree_mark(&t, 20);
    const bool wanted[] = {true, true, false, false, false, false, false};
    for (size_t i = 0; i < t.count; i++)
        assert_int_equal(items[i].marked, wanted[i]);
}

static void this_process_is_found(void **state)
{
    (void)state;
    struct process_tree t;
    assert_true(process_tree_read(&t));
    bool found = false;
    for (size_t i = 0; i < t.count; i++)
        found |= t.items[i].pid == getpid() && t.items[i].parent == getppid();
    assert_true(found);
    process_tree_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stat_lines),
        cmocka_unit_test(a_zombie_with_threads_is_not_over),
        cmocka_unit_test(descendants_are_marked_in_any_order),
        cmocka_unit_test(this_process_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
