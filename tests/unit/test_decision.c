#include "unit.h"

#include "router/decision.h"

static struct snapshot local;
static struct decision_input in;

static void fresh(void)
{
    local = (struct snapshot){.known = true, .slots = 2, .state = LEVEL_OPEN};
    in = (struct decision_input){.local = &local,
                                 .now_ms = 10000,
                                 .wish = "auto",
                                 .site = "here",
                                 .elsewhere = DECISION_ELSEWHERE_OPEN};
}

static void expect(enum decision_kind kind, const char *reason)
{
    struct decision d;

    decision_make(&in, &d);
    assert_string_equal(decision_reason_name(d.reason), reason);
    assert_int_equal(d.kind, kind);
    assert_int_equal(d.slots, in.local ? in.local->slots : 0);
    assert_true(decision_reason_text(d.reason)[0] != '\0');
}

static void each_gate_has_its_reason(void **state)
{
    (void)state;
    fresh();
    expect(DECISION_LOCAL, "local_room");
    local.slots = 0;
    expect(DECISION_FULL, "local_full");
    fresh();
    local.reserve = 1;
    expect(DECISION_LOCAL, "local_room");
    local.reserve = 2;
    expect(DECISION_FULL, "local_full");
    fresh();
    local.hold_until_ms = 10001;
    expect(DECISION_FULL, "local_hold");
    in.now_ms = 10001;
    expect(DECISION_LOCAL, "local_room");
    fresh();
    local.gate = LEVEL_REASON_CPU;
    local.state = LEVEL_CLOSED;
    expect(DECISION_FULL, "local_cpu_high");
    local.gate = LEVEL_REASON_MEMORY;
    expect(DECISION_FULL, "local_memory_high");
    local.gate = LEVEL_REASON_NONE;
    expect(DECISION_FULL, "local_closed");
    local.state = LEVEL_PROBING;
    expect(DECISION_FULL, "local_probing");
    local.probes_left = 1;
    expect(DECISION_LOCAL, "local_probe");
}

/* Hard before soft: what cannot work at all is said first. */
static void order_of_reasons(void **state)
{
    (void)state;
    fresh();
    local = (struct snapshot){
        .known = true, .hold_until_ms = 20000, .gate = LEVEL_REASON_CPU, .state = LEVEL_CLOSED};
    expect(DECISION_FULL, "local_hold");
    local.hold_until_ms = 0;
    expect(DECISION_FULL, "local_full");
    local.slots = 1;
    expect(DECISION_FULL, "local_cpu_high");
}

static void unknown_is_never_room(void **state)
{
    (void)state;
    fresh();
    local.known = false;
    expect(DECISION_UNKNOWN, "local_unknown");
    in.elsewhere = DECISION_ELSEWHERE_NONE;
    expect(DECISION_UNKNOWN, "local_unknown");
    in.local = NULL;
    expect(DECISION_UNKNOWN, "local_unknown");
}

/* Without another site the watermark has nobody to send away; what cannot work is still refused. */
static void alone(void **state)
{
    (void)state;
    fresh();
    in.elsewhere = DECISION_ELSEWHERE_NONE;
    local.state = LEVEL_CLOSED;
    expect(DECISION_LOCAL, "local_alone");
    local.gate = LEVEL_REASON_CPU;
    expect(DECISION_LOCAL, "local_alone");
    local.state = LEVEL_PROBING;
    expect(DECISION_LOCAL, "local_alone");
    local.slots = 0;
    expect(DECISION_FULL, "local_full");
    local.slots = 9;
    local.hold_until_ms = 10001;
    expect(DECISION_FULL, "local_hold");
}

/* The cloud is down: the slow way back is cut short, but the high mark stands. */
static void elsewhere_is_down(void **state)
{
    (void)state;
    fresh();
    in.elsewhere = DECISION_ELSEWHERE_DOWN;
    local.state = LEVEL_CLOSED;
    expect(DECISION_LOCAL, "local_alone");
    local.gate = LEVEL_REASON_CPU;
    expect(DECISION_FULL, "local_cpu_high");
}

static void wishes(void **state)
{
    (void)state;
    fresh();
    in.wish = NULL;
    expect(DECISION_LOCAL, "local_room");
    in.wish = "local";
    expect(DECISION_LOCAL, "local_room");
    local.state = LEVEL_CLOSED; /* who insists does not wait for the dwell … */
    expect(DECISION_LOCAL, "local_alone");
    local.gate = LEVEL_REASON_MEMORY; /* … but for the mark */
    expect(DECISION_FULL, "local_memory_high");
    fresh();
    in.wish = "here";
    expect(DECISION_LOCAL, "local_room");
    in.wish = "remote";
    expect(DECISION_FULL, "no_such_site");
    in.wish = "moon";
    expect(DECISION_FULL, "no_such_site");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_gate_has_its_reason), cmocka_unit_test(order_of_reasons),
        cmocka_unit_test(unknown_is_never_room),    cmocka_unit_test(alone),
        cmocka_unit_test(elsewhere_is_down),        cmocka_unit_test(wishes)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
