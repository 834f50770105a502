#include "unit.h"

#include "clusters/kube_store.h"
#include "fake_world.h"
#include "watermark/slots.h"
#include "watermark/watermark_feed.h"

/* -- the store, as far as the feed asks it -- */

static struct kube_node nodes[8];
static size_t node_count;
static struct kube_pod pods[8];
static size_t pod_count;
static uint64_t version = 1;
static bool synced = true, connected = true;
static int walks;

bool kube_store_synced(const struct kube_store *s)
{
    (void)s;
    return synced;
}

bool kube_store_connected(const struct kube_store *s)
{
    (void)s;
    return connected;
}

uint64_t kube_store_version(const struct kube_store *s)
{
    (void)s;
    return version;
}

size_t kube_store_pod_count(const struct kube_store *s)
{
    (void)s;
    return pod_count;
}

size_t kube_store_node_count(const struct kube_store *s)
{
    (void)s;
    return node_count;
}

void kube_store_each_pod(const struct kube_store *s,
                         bool (*fn)(const struct kube_pod *p, void *user), void *user)
{
    (void)s;
    walks++;
    for (size_t i = 0; i < pod_count; i++)
        fn(&pods[i], user);
}

void kube_store_each_node(const struct kube_store *s,
                          bool (*fn)(const struct kube_node *n, void *user), void *user)
{
    (void)s;
    for (size_t i = 0; i < node_count; i++)
        fn(&nodes[i], user);
}

static void node(const char *name, bool ready, bool cordoned, bool tainted)
{
    nodes[node_count++] = (struct kube_node){.name = (char *)name,
                                             .ready = ready,
                                             .unschedulable = cordoned,
                                             .tainted = tainted,
                                             .allocatable = {4000, 4096, 0, 10}};
}

static void pod(const char *node_name, enum kube_phase phase, const char *session)
{
    pods[pod_count++] = (struct kube_pod){.node_name = (char *)node_name,
                                          .phase = phase,
                                          .requests = {1000, 1000, 0, 1},
                                          .marks = {.session_id = (char *)session}};
}

static void counts_what_counts(void **state)
{
    static const struct kube_resources SHAPE = {1000, 1000, 0, 1};
    struct fake_world world;

    (void)state;
    fake_world_init(&world, 1);
    node("good", true, false, false);
    node("dead", false, false, false);
    node("cordoned", true, true, false);
    node("tainted", true, false, true);
    pod("good", KUBE_RUNNING, "s1");
    pod("good", KUBE_PENDING, "");     /* not ours, takes room all the same */
    pod("good", KUBE_SUCCEEDED, "s2"); /* over: takes none */
    pod("good", KUBE_FAILED, "s3");
    pod("dead", KUBE_RUNNING, "s4");
    pod("", KUBE_PENDING, "s5");
    struct watermark_feed *f = watermark_feed_new(&world.world, NULL);
    const struct snapshot *s = watermark_feed_take(f);
    assert_true(s->known);
    assert_int_equal(s->node_count, 1);
    assert_int_equal(s->nodes[0].free.millicpu, 2000);
    assert_int_equal(s->nodes[0].free.pods, 8);
    assert_int_equal(s->nodes[0].sandboxes.millicpu, 1000);
    assert_int_equal(s->unbound_count, 1);
    assert_int_equal(slots_free(s, &SHAPE, 0), 1);
    assert_int_equal(slots_total(s, &SHAPE), 3);
    watermark_feed_take(f);
    assert_int_equal(walks, 1); /* nothing changed: nothing counted */
    version++;
    pod_count = 1;
    assert_int_equal(slots_free(watermark_feed_take(f), &SHAPE, 0), 3);
    connected = false;
    assert_false(watermark_feed_take(f)->known);
    connected = true;
    watermark_feed_free(&f);
}

static void holds(void **state)
{
    struct fake_world world;
    int64_t expected[] = {5000, 10000, 20000, 40000, 60000, 60000};

    (void)state;
    fake_world_init(&world, 1);
    struct watermark_feed *f = watermark_feed_new(&world.world, NULL);
    assert_int_equal(watermark_feed_take(f)->hold_until_ms, 0);
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        int64_t now = world.now_ms;
        for (int again = 0; again < 5; again++) /* a bundle of refusals is one */
            watermark_feed_refused(f);
        assert_int_equal(watermark_feed_take(f)->hold_until_ms, now + expected[i]);
        fake_world_run(&world, expected[i]);
    }
    watermark_feed_bound(f);
    watermark_feed_refused(f);
    assert_int_equal(watermark_feed_take(f)->hold_until_ms, world.now_ms + 5000);
    watermark_feed_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(counts_what_counts),
                                       cmocka_unit_test(holds)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
