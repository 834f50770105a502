#include "unit.h"

#include "router/decision.h"

static struct snapshot_node node = {.free = {2000, (int64_t)1 << 30, 0, 10}};
static struct snapshot cluster;
static struct decision_input in;

static void fresh(void)
{
    cluster = (struct snapshot){.nodes = &node, .node_count = 1, .known = true};
    in = (struct decision_input){.local = &cluster,
                                 .shape = {1000, (int64_t)256 << 20, 0, 1},
                                 .now_ms = 10000,
                                 .wish = "auto",
                                 .site = "here"};
}

static void expect(enum decision_kind kind, const char *reason, int64_t slots)
{
    struct decision d;

    decision_make(&in, &d);
    assert_int_equal(d.kind, kind);
    assert_string_equal(decision_reason_name(d.reason), reason);
    assert_int_equal(d.slots, slots);
    assert_true(decision_reason_text(d.reason)[0] != '\0');
}

static void each_answer(void **state)
{
    (void)state;
    fresh();
    expect(DECISION_LOCAL, "local_room", 2);
    in.reserved = 1;
    expect(DECISION_LOCAL, "local_room", 1);
    in.reserved = 2;
    expect(DECISION_FULL, "local_full", 0);
    fresh();
    cluster.hold_until_ms = 10001;
    expect(DECISION_FULL, "local_hold", 2);
    in.now_ms = 10001;
    expect(DECISION_LOCAL, "local_room", 2);
    fresh();
    cluster.known = false;
    expect(DECISION_UNKNOWN, "local_unknown", 0);
    in.local = NULL;
    expect(DECISION_UNKNOWN, "local_unknown", 0);
}

static void wishes(void **state)
{
    (void)state;
    fresh();
    in.wish = "local";
    expect(DECISION_LOCAL, "local_room", 2);
    in.wish = "here";
    expect(DECISION_LOCAL, "local_room", 2);
    in.wish = "remote";
    expect(DECISION_FULL, "no_such_site", 0);
    in.wish = "moon";
    expect(DECISION_FULL, "no_such_site", 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_answer), cmocka_unit_test(wishes)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
