#include "unit.h"

#include <stdio.h>

#include "fake_store.h"
#include "fake_world.h"
#include "watermark/reservations.h"
#include "watermark/watermark_feed.h"

static const struct kube_resources SHAPE = {1000, 1000, 0, 1};

static struct kube_node nodes[8];
static struct kube_pod pods[8], *pod_pointers[8];

static void reset_store(void)
{
    fake_store = (struct fake_store){.nodes = nodes, .pods = pod_pointers, .known = true};
}

static void add_node(struct kube_node n)
{
    fake_store.nodes[fake_store.node_count++] = n;
}

static void add_pod(struct kube_pod p)
{
    pods[fake_store.pod_count] = p;
    pod_pointers[fake_store.pod_count] = &pods[fake_store.pod_count];
    fake_store.pod_count++;
}

static struct kube_node node(const char *name, bool ready, bool cordoned, bool tainted)
{
    return (struct kube_node){.name = (char *)name,
                              .ready = ready,
                              .unschedulable = cordoned,
                              .tainted = tainted,
                              .allocatable = {4000, 4096, 0, 10}};
}

static struct kube_pod pod(const char *uid, const char *node_name, enum kube_phase phase,
                           const char *session)
{
    return (struct kube_pod){.uid = (char *)uid,
                             .node_name = (char *)node_name,
                             .phase = phase,
                             .requests = SHAPE,
                             .marks = {.session_id = (char *)session}};
}

/* -- fixture -- */

static struct fake_world world;
static struct reservations *reservations;
static struct watermark_feed *feed;

static void start(int64_t dwell_ms)
{
    const struct watermark_feed_conf conf = {.site = "here",
                                             .level = {.cpu_high = 85,
                                                       .cpu_low = 75,
                                                       .memory_high = 80,
                                                       .memory_low = 70,
                                                       .dwell_ms = dwell_ms},
                                             .shape = SHAPE};

    fake_world_init(&world, 1);
    reservations = reservations_new(60000, 1000);
    feed = watermark_feed_new(&world.world, NULL, NULL, reservations, &conf);
}

static int stop(void **state)
{
    (void)state;
    watermark_feed_free(&feed);
    reservations_free(&reservations);
    reset_store();
    return 0;
}

static struct snapshot take(void)
{
    struct snapshot s;

    watermark_feed_take(feed, &SHAPE, &s);
    return s;
}

static void counts_what_counts(void **state)
{
    struct kube_pod changed, other;
    struct kube_node good = node("good", true, false, false), bad = good;

    (void)state;
    add_node(good);
    add_node(node("dead", false, false, false));
    add_node(node("cordoned", true, true, false));
    add_node(node("tainted", true, false, true));
    add_pod(pod("1", "good", KUBE_RUNNING, "s1"));
    add_pod(pod("2", "good", KUBE_PENDING, ""));     /* not ours, takes room all the same */
    add_pod(pod("3", "good", KUBE_SUCCEEDED, "s2")); /* over: takes none */
    add_pod(pod("4", "good", KUBE_FAILED, "s3"));
    add_pod(pod("5", "dead", KUBE_RUNNING, "s4"));
    add_pod(pod("6", "", KUBE_PENDING, "s5"));
    start(0);
    assert_true(take().known);
    assert_int_equal(take().slots, 1);
    assert_int_equal(watermark_feed_slots_total(feed, &SHAPE), 3);
    assert_int_equal(watermark_feed_totals(feed)->nodes, 1);
    assert_int_equal(watermark_feed_totals(feed)->requested.millicpu, 2000);

    changed = pods[5]; /* bound where it was counted: no change */
    changed.node_name = (char *)"good";
    fake_store_tell_pod(&pods[5], &changed);
    assert_int_equal(take().slots, 1);
    other = changed;
    other.ready = true; /* takes and gives no room */
    fake_store_tell_pod(&changed, &other);
    assert_int_equal(take().slots, 1);
    changed = other;
    changed.phase = KUBE_SUCCEEDED;
    fake_store_tell_pod(&other, &changed);
    assert_int_equal(take().slots, 2);
    fake_store_tell_pod(&changed, NULL);
    assert_int_equal(take().slots, 2);
    fake_store_tell_pod(&pods[0], NULL);
    assert_int_equal(take().slots, 3);
    bad.unschedulable = true;
    fake_store_tell_node(&good, &bad);
    assert_int_equal(take().slots, 0);
    fake_store_tell_node(&bad, &good);
    assert_int_equal(take().slots, 3);
    fake_store_tell_node(&good, NULL);
    assert_int_equal(take().slots, 0);
    fake_store.known = false;
    assert_false(take().known);
}

static void reservations_take_slots_until_the_pod_is_seen(void **state)
{
    (void)state;
    add_node(node("n", true, false, false));
    start(0);
    reservations_take(reservations, "a", world.now_ms);
    reservations_take(reservations, "b", world.now_ms);
    assert_int_equal(take().slots, 2);
    struct kube_pod p = pod("1", "", KUBE_PENDING, "a");
    fake_store_tell_pod(NULL, &p);
    reservations_seen(reservations, "a", world.now_ms);
    assert_int_equal(take().slots, 2);
    reservations_release(reservations, "b");
    assert_int_equal(take().slots, 3);
}

static void holds(void **state)
{
    int64_t expected[] = {5000, 10000, 20000, 40000, 60000, 60000};

    (void)state;
    add_node(node("n", true, false, false));
    start(0);
    assert_int_equal(take().hold_until_ms, 0);
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        int64_t now = world.now_ms;
        for (int again = 0; again < 5; again++) /* a bundle of refusals is one */
            watermark_feed_refused(feed);
        assert_int_equal(take().hold_until_ms, now + expected[i]);
        assert_int_equal(take().gate, LEVEL_REASON_REFUSED);
        fake_world_run(&world, expected[i]);
    }
    struct kube_pod p = pod("1", "", KUBE_PENDING, "a"), q = p;
    q.node_name = (char *)"n";
    fake_store_tell_pod(NULL, &p);
    fake_store_tell_pod(&p, &q); /* bound: holds start small again */
    watermark_feed_refused(feed);
    assert_int_equal(take().hold_until_ms, world.now_ms + 5000);
}

/* The scheduler knows of something that we do not see; but what we know ourselves is no news. */
static void unschedulable_pods(void **state)
{
    (void)state;
    add_node(node("n", true, false, false));
    start(0);
    struct kube_pod big = pod("1", "", KUBE_PENDING, "a"), refused;
    big.requests.millicpu = 9000;
    refused = big;
    refused.unschedulable = true;
    fake_store_tell_pod(NULL, &big);
    fake_store_tell_pod(&big, &refused);
    assert_int_equal(take().state, LEVEL_OPEN);
    struct kube_pod small = pod("2", "", KUBE_PENDING, "b");
    refused = small;
    refused.unschedulable = true;
    fake_store_tell_pod(NULL, &small);
    fake_store_tell_pod(&small, &refused);
    assert_int_equal(take().state, LEVEL_CLOSED);
    assert_int_equal(take().state_reason, LEVEL_REASON_REFUSED);
}

/* Full, room again, dwell, one by one, open: by time alone where nothing is measured. */
static void back_by_probes(void **state)
{
    struct kube_pod bound;
    char id[8], uid[8];

    (void)state;
    add_node(node("n", true, false, false));
    start(5000);
    for (int i = 0; i < 4; i++) {
        snprintf(id, sizeof(id), "r%d", i);
        reservations_take(reservations, id, world.now_ms);
    }
    assert_int_equal(take().state, LEVEL_CLOSED);
    assert_int_equal(take().gate, LEVEL_REASON_SLOTS);
    reservations_release(reservations, "r0");
    reservations_release(reservations, "r1");
    reservations_release(reservations, "r2");
    reservations_release(reservations, "r3");
    fake_world_run(&world, 4000);
    assert_int_equal(take().state, LEVEL_CLOSED);
    fake_world_run(&world, 1000);
    assert_int_equal(take().state, LEVEL_PROBING);
    assert_int_equal(take().probes_left, 1);
    watermark_feed_admitted(feed, "a");
    assert_int_equal(take().probes_left, 0);
    watermark_feed_dropped(feed, "a"); /* came to nothing: the next may try */
    assert_int_equal(take().probes_left, 1);
    for (int i = 0; i < 3; i++) {
        snprintf(id, sizeof(id), "p%d", i);
        snprintf(uid, sizeof(uid), "u%d", i);
        watermark_feed_admitted(feed, id);
        bound = pod(uid, "n", KUBE_PENDING, id);
        fake_store_tell_pod(NULL, &bound);
        if (i == 0)
            assert_int_equal(take().probes_left, 2);
        bound = pod(uid, "n", KUBE_RUNNING, id);
        fake_store_tell_pod(&bound, NULL);
    }
    assert_int_equal(take().probes_left, 4);
    fake_world_run(&world, 5000);
    assert_int_equal(take().state, LEVEL_OPEN);
    assert_int_equal(take().state_reason, LEVEL_REASON_QUIET);
}

static void a_probe_that_is_never_bound_is_lost(void **state)
{
    (void)state;
    add_node(node("n", true, false, false));
    start(1000);
    watermark_feed_refused(feed);
    fake_world_run(&world, 5000);
    assert_int_equal(take().state, LEVEL_PROBING);
    watermark_feed_admitted(feed, "a");
    fake_world_run(&world, 29000);
    assert_int_equal(take().state, LEVEL_PROBING); /* it may still come to something */
    fake_world_run(&world, 2000);
    assert_int_equal(take().state, LEVEL_OPEN);
}

#define TEST(name) cmocka_unit_test_teardown(name, stop)

int main(void)
{
    reset_store();
    const struct CMUnitTest tests[] = {
        TEST(counts_what_counts),
        TEST(reservations_take_slots_until_the_pod_is_seen),
        TEST(holds),
        TEST(unschedulable_pods),
        TEST(back_by_probes),
        TEST(a_probe_that_is_never_bound_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
