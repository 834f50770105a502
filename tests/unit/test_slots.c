#include "unit.h"

#include "watermark/slots.h"

#define MI ((int64_t)1 << 20)

static const struct kube_resources SHAPE = {500, 256 * MI, 0, 1};

static void per_node_not_in_total(void **state)
{
    /* Two halves of a slot are no slot; a node with memory and no CPU has none. */
    struct snapshot_node nodes[] = {
        {.free = {400, 4096 * MI, 0, 100}},  {.free = {400, 4096 * MI, 0, 100}},
        {.free = {-100, 4096 * MI, 0, 100}}, {.free = {1700, 1024 * MI, 0, 100}},
        {.free = {9000, 9000 * MI, 0, 2}},
    };
    struct snapshot s = {.nodes = nodes, .node_count = ARRAY_LEN(nodes), .known = true};

    (void)state;
    assert_int_equal(slots_free(&s, &SHAPE, 0), 3 + 2);
    assert_int_equal(slots_free(&s, &SHAPE, 4), 1);
    assert_int_equal(slots_free(&s, &SHAPE, 5), 0);
    assert_int_equal(slots_free(&s, &SHAPE, 50), 0);
    s.node_count = 0;
    assert_int_equal(slots_free(&s, &SHAPE, 0), 0);
}

static void unbound_pods_take_room_first_fit(void **state)
{
    struct snapshot_node nodes[] = {
        {.free = {1000, 1024 * MI, 0, 10}},
        {.free = {2000, 1024 * MI, 0, 10}},
    };
    struct kube_resources unbound[] = {
        {800, 10 * MI, 0, 1},  /* the first node keeps 200: no slot */
        {800, 10 * MI, 0, 1},  /* the second keeps 1200: two */
        {9000, 10 * MI, 0, 1}, /* nowhere: takes nothing */
    };
    struct snapshot s = {.nodes = nodes, .node_count = 2, .unbound = unbound, .unbound_count = 3};

    (void)state;
    assert_int_equal(slots_free(&s, &SHAPE, 0), 2);
    assert_int_equal(nodes[0].free.millicpu, 1000);
}

static void total_leaves_out_sandboxes(void **state)
{
    struct snapshot_node nodes[] = {
        {.free = {0, 0, 0, 0}, .sandboxes = {1000, 512 * MI, 0, 2}},
        {.free = {500, 256 * MI, 0, 1}, .sandboxes = {500, 256 * MI, 0, 1}},
    };
    struct snapshot s = {.nodes = nodes, .node_count = 2};

    (void)state;
    assert_int_equal(slots_total(&s, &SHAPE), 4);
    assert_int_equal(slots_free(&s, &SHAPE, 0), 1);
}

static void a_shape_that_asks_for_nothing(void **state)
{
    struct kube_resources nothing = {0};
    struct snapshot_node nodes[] = {{.free = {1, 1, 0, 7}}};
    struct snapshot s = {.nodes = nodes, .node_count = 1};

    (void)state;
    assert_int_equal(slots_free(&s, &nothing, 0), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(per_node_not_in_total),
        cmocka_unit_test(unbound_pods_take_room_first_fit),
        cmocka_unit_test(total_leaves_out_sandboxes),
        cmocka_unit_test(a_shape_that_asks_for_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
