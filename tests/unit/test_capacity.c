#include "unit.h"

#include "base/mem.h"
#include "watermark/capacity.h"
#include "watermark/slots.h"

#include <stdio.h>
#include <stdlib.h>

static const struct kube_resources SHAPE = {500, 256, 0, 1};
static struct capacity *c;

static int start(void **state)
{
    (void)state;
    c = capacity_new();
    return 0;
}

static int stop(void **state)
{
    (void)state;
    capacity_free(&c);
    assert_null(c);
    return 0;
}

static void node(const char *name, int64_t millicpu, int64_t memory, int64_t pods)
{
    capacity_put_node(c, name, &(struct kube_resources){millicpu, memory, 0, pods}, true);
}

static int64_t slots(void)
{
    return capacity_slots(c, &SHAPE);
}

/* The CPU of four sandboxes in total, on no single node. */
static void fragments_are_no_room(void **state)
{
    char name[8];

    (void)state;
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        node(name, 400, 4096, 100);
    }
    assert_int_equal(slots(), 0);
    assert_int_equal(capacity_totals(c)->allocatable.millicpu, 2000);
    node("whole", 1700, 1024, 100);
    assert_int_equal(slots(), 3);
}

static void bound_pods_take_and_give(void **state)
{
    struct kube_resources pod = {500, 256, 0, 1};

    (void)state;
    node("a", 1000, 4096, 10);
    assert_int_equal(slots(), 2);
    capacity_add_bound(c, "a", &pod, true);
    assert_int_equal(slots(), 1);
    capacity_add_bound(c, "later", &pod, false); /* its node is told afterwards */
    assert_int_equal(slots(), 1);
    node("later", 1000, 4096, 10);
    assert_int_equal(slots(), 2);
    assert_int_equal(capacity_slots_total(c, &SHAPE), 3); /* without the sandbox, with the other */
    assert_int_equal(capacity_totals(c)->requested.millicpu, 1000);
    capacity_remove_bound(c, "a", &pod, true);
    capacity_remove_bound(c, "later", &pod, false);
    capacity_remove_bound(c, "nobody", &pod, false);
    assert_int_equal(slots(), 4);
    assert_int_equal(capacity_totals(c)->requested.pods, 0);
}

static void only_eligible_nodes_count(void **state)
{
    struct kube_resources all = {1000, 4096, 0, 10};
    struct kube_resources pod = {500, 256, 0, 1};

    (void)state;
    capacity_put_node(c, "a", &all, false);
    assert_int_equal(slots(), 0);
    assert_int_equal(capacity_totals(c)->nodes, 0);
    capacity_add_bound(c, "a", &pod, true);
    capacity_put_node(c, "a", &all, true);
    assert_int_equal(slots(), 1);
    capacity_set_hot(c, "a", true);
    capacity_set_hot(c, "nobody", true);
    assert_true(capacity_is_hot(c, "a"));
    assert_int_equal(slots(), 0);
    capacity_put_node(c, "a", &all, true); /* still hot */
    assert_int_equal(slots(), 0);
    capacity_set_hot(c, "a", false);
    assert_int_equal(slots(), 1);
    capacity_remove_node(c, "a");
    assert_int_equal(slots(), 0);
    capacity_put_node(c, "a", &all, true); /* the pod was not forgotten */
    assert_int_equal(slots(), 1);
}

static void unbound_pods_are_counted_first_fit(void **state)
{
    struct kube_resources big = {800, 10, 0, 1}, giant = {9000, 10, 0, 1};

    (void)state;
    node("a", 1000, 1024, 10);
    node("b", 2000, 1024, 10);
    capacity_add_unbound(c, "1", &big); /* the first keeps 200: no slot */
    capacity_add_unbound(c, "2", &big); /* the second 1200: two */
    assert_string_equal(capacity_assumed_node(c, "1"), "a");
    assert_string_equal(capacity_assumed_node(c, "2"), "b");
    assert_int_equal(slots(), 2);
    capacity_add_unbound(c, "3", &giant); /* nowhere: takes nothing */
    assert_null(capacity_assumed_node(c, "3"));
    assert_int_equal(slots(), 2);
    capacity_add_unbound(c, "3", &big); /* told anew */
    assert_string_equal(capacity_assumed_node(c, "3"), "b");
    assert_int_equal(capacity_unbound_count(c), 3);
    capacity_remove_unbound(c, "1");
    capacity_remove_unbound(c, "1");
    assert_int_equal(slots(), 2); /* a: two; b: 400, none */
}

static void bound_pods_push_guests_away(void **state)
{
    struct kube_resources pod = {800, 10, 0, 1};

    (void)state;
    node("a", 1000, 1024, 10);
    capacity_add_unbound(c, "1", &pod);
    capacity_add_bound(c, "a", &pod, true); /* another took the place */
    assert_null(capacity_assumed_node(c, "1"));
    node("b", 1000, 1024, 10); /* room appears: the homeless are first */
    assert_string_equal(capacity_assumed_node(c, "1"), "b");
    assert_int_equal(slots(), 0);
    capacity_remove_node(c, "b");
    assert_null(capacity_assumed_node(c, "1"));
    capacity_remove_bound(c, "a", &pod, true);
    assert_string_equal(capacity_assumed_node(c, "1"), "a");
    capacity_put_node(c, "a", &(struct kube_resources){1000, 1024, 0, 10}, false);
    assert_null(capacity_assumed_node(c, "1"));
}

/* A node that lacks what a guest does not ask for is no reason to move it, nor to look for ever. */
static void what_a_guest_does_not_ask_for(void **state)
{
    struct kube_resources cpu_only = {100, 0, 0, 1}, memory_only = {0, 2000, 0, 1};

    (void)state;
    node("a", 1000, 1024, 10);
    capacity_add_unbound(c, "1", &cpu_only);
    capacity_add_bound(c, "a", &memory_only, false);
    assert_string_equal(capacity_assumed_node(c, "1"), "a");
    assert_int_equal(slots(), 0);
}

static void more_shapes_than_are_kept(void **state)
{
    (void)state;
    node("a", 100000, 100000, 1000);
    for (int round = 0; round < 3; round++)
        for (int64_t i = 1; i <= CAPACITY_SHAPES * 2; i++)
            assert_int_equal(capacity_slots(c, &(struct kube_resources){i * 100, 1, 0, 1}),
                             1000 / i);
    capacity_add_bound(c, "a", &(struct kube_resources){50000, 1, 0, 1}, false);
    for (int64_t i = 1; i <= CAPACITY_SHAPES * 2; i++)
        assert_int_equal(capacity_slots(c, &(struct kube_resources){i * 100, 1, 0, 1}), 500 / i);
}

/* -- against a plain model, over random histories -- */

#define NODES  12
#define PODS   60
#define ROUNDS 20000

struct model_node {
    char name[8];
    bool known, eligible, hot;
    struct kube_resources all;
};
struct model_pod {
    char uid[8];
    bool there;
    int node; /* -1: unbound */
    struct kube_resources r;
};

static struct model_node nodes[NODES];
static struct model_pod pods[PODS];
static uint64_t seed = 20240607;

static int64_t pick(int64_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)((seed >> 33) % (uint64_t)below);
}

static struct kube_resources left_on(int i)
{
    struct kube_resources left = nodes[i].all;

    for (int p = 0; p < PODS; p++) {
        const char *at = pods[p].node < 0 ? capacity_assumed_node(c, pods[p].uid) : NULL;
        if (!pods[p].there || (pods[p].node != i && !(at && strcmp(at, nodes[i].name) == 0)))
            continue;
        left.millicpu -= pods[p].r.millicpu;
        left.memory_bytes -= pods[p].r.memory_bytes;
        left.pods -= 1;
    }
    return left;
}

static void change_node(int i)
{
    struct model_node *n = &nodes[i];

    if (n->known && pick(4) == 0) {
        n->known = n->hot = false;
        capacity_remove_node(c, n->name);
        return;
    }
    if (n->known && pick(3) == 0) {
        n->hot = !n->hot;
        capacity_set_hot(c, n->name, n->hot);
        return;
    }
    n->known = true;
    n->eligible = pick(5) != 0;
    n->all = (struct kube_resources){pick(4000), pick(4000), 0, pick(12)};
    capacity_put_node(c, n->name, &n->all, n->eligible);
}

static void change_pod(int i)
{
    struct model_pod *p = &pods[i];

    if (p->there && p->node < 0 && pick(2) == 0) { /* bound */
        p->node = (int)pick(NODES);
        capacity_remove_unbound(c, p->uid);
        capacity_add_bound(c, nodes[p->node].name, &p->r, i % 2);
    } else if (p->there) {
        if (p->node < 0)
            capacity_remove_unbound(c, p->uid);
        else
            capacity_remove_bound(c, nodes[p->node].name, &p->r, i % 2);
        p->there = false;
    } else {
        *p = (struct model_pod){.there = true, .node = -1, .r = {pick(1500), pick(1500), 0, 1}};
        snprintf(p->uid, sizeof(p->uid), "p%d", i);
        capacity_add_unbound(c, p->uid, &p->r);
    }
}

static void check(void)
{
    int64_t expected = 0;

    for (int i = 0; i < NODES; i++) {
        struct kube_resources left = left_on(i);
        bool room = nodes[i].known && nodes[i].eligible;
        expected += room && !nodes[i].hot ? slots_on(&left, &SHAPE) : 0;
        for (int p = 0; p < PODS; p++) {
            if (!pods[p].there || pods[p].node >= 0)
                continue;
            const char *at = capacity_assumed_node(c, pods[p].uid);
            if (!at) /* homeless: fits nowhere */
                assert_false(room && slots_fit(&left, &pods[p].r));
            else if (strcmp(at, nodes[i].name) == 0)
                assert_true(room);
        }
    }
    assert_int_equal(slots(), expected);
}

static void as_the_model_says(void **state)
{
    (void)state;
    for (int i = 0; i < NODES; i++)
        snprintf(nodes[i].name, sizeof(nodes[i].name), "n%d", i);
    for (int round = 0; round < ROUNDS; round++) {
        if (pick(6) == 0)
            change_node((int)pick(NODES));
        else
            change_pod((int)pick(PODS));
        check();
    }
    for (int i = 0; i < PODS; i++)
        if (pods[i].there && pods[i].node >= 0)
            capacity_remove_bound(c, nodes[pods[i].node].name, &pods[i].r, i % 2);
    for (int i = 0; i < NODES; i++)
        capacity_remove_node(c, nodes[i].name);
    struct capacity_totals none = {0};
    assert_memory_equal(capacity_totals(c), &none, sizeof(none));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(fragments_are_no_room),       TEST(bound_pods_take_and_give),
        TEST(only_eligible_nodes_count),   TEST(unbound_pods_are_counted_first_fit),
        TEST(bound_pods_push_guests_away), TEST(what_a_guest_does_not_ask_for),
        TEST(more_shapes_than_are_kept),   TEST(as_the_model_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
