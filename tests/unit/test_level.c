#include "unit.h"

#include "watermark/level.h"

static struct level level;
static struct level_input in;

static void start(int64_t reserve, bool usage)
{
    const struct level_conf conf = {.cpu_high = 85,
                                    .cpu_low = 75,
                                    .memory_high = 80,
                                    .memory_low = 70,
                                    .reserve = reserve,
                                    .dwell_ms = 60000};

    in = (struct level_input){.now_ms = 1000,
                              .slots = 100,
                              .usage_wanted = usage,
                              .usage_known = usage,
                              .cpu_permille = 100,
                              .memory_permille = 100,
                              .usage_stamp = 1};
    level_init(&level, &conf, in.now_ms);
}

static bool update(void)
{
    return level_update(&level, &in);
}

/* A newer measurement after `ms`. */
static bool measure(int64_t ms, int64_t cpu, int64_t memory)
{
    in.now_ms += ms;
    in.cpu_permille = cpu;
    in.memory_permille = memory;
    in.usage_stamp++;
    return update();
}

static void expect(enum level_state state, enum level_reason reason)
{
    assert_string_equal(level_state_word(level_state(&level)), level_state_word(state));
    assert_string_equal(level_reason_word(level.reason), level_reason_word(reason));
}

static void each_gate_closes_at_once(void **state)
{
    static const struct {
        int64_t slots, cpu, memory;
        enum level_reason reason;
    } CASES[] = {
        {0, 100, 100, LEVEL_REASON_SLOTS},
        {100, 850, 100, LEVEL_REASON_CPU},
        {100, 100, 800, LEVEL_REASON_MEMORY},
        {0, 999, 999, LEVEL_REASON_SLOTS},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        start(0, true);
        assert_false(measure(10, 849, 799));
        in.slots = CASES[i].slots;
        assert_true(measure(10, CASES[i].cpu, CASES[i].memory));
        expect(LEVEL_CLOSED, CASES[i].reason);
        assert_int_equal(level.gate, CASES[i].reason);
        assert_int_equal(level.since_ms, in.now_ms);
        assert_int_equal(level.transitions[CASES[i].reason], 1);
        assert_false(update());
    }
}

static void the_reserve_stays_free(void **state)
{
    (void)state;
    start(3, false);
    in.slots = 4;
    assert_false(update());
    in.slots = 3;
    assert_true(update());
    in.now_ms += 60000;
    in.slots = 6; /* not below the low mark: twice the reserve and one */
    assert_false(update());
    in.slots = 7;
    assert_true(update());
    expect(LEVEL_PROBING, LEVEL_REASON_ROOM);
}

/* Unknown is never empty: requests decide, with twice the reserve, whatever the last figures were.
 */
static void measurements_missing(void **state)
{
    (void)state;
    start(3, true);
    in.usage_known = false;
    in.cpu_permille = 1000;
    assert_false(update());
    assert_int_equal(level_reserve(&level), 6);
    in.slots = 6;
    assert_true(update());
    expect(LEVEL_CLOSED, LEVEL_REASON_SLOTS);
    in.slots = 13;
    in.now_ms += 60000; /* the way back is by time alone */
    assert_true(update());
    expect(LEVEL_PROBING, LEVEL_REASON_ROOM);
    in.usage_known = true;
    assert_true(measure(10, 900, 0));
    expect(LEVEL_CLOSED, LEVEL_REASON_CPU);
    assert_int_equal(level_reserve(&level), 3);
}

static void back_needs_dwell_and_two_measurements(void **state)
{
    (void)state;
    start(0, true);
    assert_true(measure(10, 900, 100));
    assert_false(measure(50000, 700, 100)); /* one … */
    in.now_ms += 10000;
    assert_false(update());               /* … the same one again does not count … */
    assert_true(measure(1000, 750, 700)); /* … two, and the dwell is over */
    expect(LEVEL_PROBING, LEVEL_REASON_ROOM);
    start(0, true);
    assert_true(measure(10, 900, 100));
    assert_false(measure(10, 700, 100));
    assert_false(measure(10, 700, 100));
    in.now_ms += 59979;
    assert_false(update()); /* measurements agree: the dwell is not over */
    in.now_ms += 1;
    assert_true(update());
}

/* Around the marks nothing flaps: between them nothing happens, and each return starts anew. */
static void flapping_around_the_mark(void **state)
{
    int transitions = 0;

    (void)state;
    start(0, true);
    for (int i = 0; i < 400; i++) /* 4000 s */
        transitions += measure(10000, i % 2 ? 860 : 840, 100);
    assert_int_equal(transitions, 1);
    for (int i = 0; i < 400; i++)
        transitions += measure(10000, i % 2 ? 760 : 740, 100); /* never two below in a row */
    assert_int_equal(transitions, 1);
    expect(LEVEL_CLOSED, LEVEL_REASON_CPU);
    assert_false(measure(10000, 740, 100));
    assert_true(measure(10000, 740, 100));
    for (int i = 0; i < 400; i++)
        transitions += measure(10000, i % 2 ? 840 : 760, 100); /* below the high mark: stays */
    expect(LEVEL_OPEN, LEVEL_REASON_QUIET);
    assert_int_equal(transitions, 2);
}

static void a_gap_in_the_measurements_keeps_it_closed(void **state)
{
    (void)state;
    start(0, true);
    assert_true(measure(10, 900, 100));
    assert_false(measure(60000, 700, 100));
    in.slots = 0; /* in between there is no room: counted anew */
    assert_false(update());
    in.slots = 10;
    assert_false(measure(10, 700, 100));
    assert_true(measure(10, 700, 100));
}

static void one_two_four_and_open(void **state)
{
    (void)state;
    start(0, false);
    assert_false(level_admit(&level)); /* open: no probe */
    assert_int_equal(level_probes_left(&level), 0);
    in.slots = 0;
    update();
    in.slots = 100;
    in.now_ms += 60000;
    assert_true(update());
    for (int limit = 1; limit <= 4; limit *= 2) {
        assert_int_equal(level_probes_left(&level), limit);
        for (int i = 0; i < limit; i++)
            assert_true(level_admit(&level));
        assert_int_equal(level_probes_left(&level), 0);
        for (int i = 0; i < limit - 1; i++)
            assert_false(level_bound(&level, true, in.now_ms));
        assert_false(level_bound(&level, false, in.now_ms)); /* another's does not count */
        assert_int_equal(level_bound(&level, true, in.now_ms), limit == 4);
    }
    expect(LEVEL_OPEN, LEVEL_REASON_PROBED);
}

static void a_lost_probe_makes_room_for_the_next(void **state)
{
    (void)state;
    start(0, false);
    in.slots = 0;
    update();
    in.slots = 100;
    in.now_ms += 60000;
    update();
    level_admit(&level);
    assert_int_equal(level_probes_left(&level), 0);
    in.now_ms += 60000;
    assert_false(update()); /* quiet is only what has nothing on its way */
    level_lost(&level);
    level_lost(&level);
    assert_int_equal(level_probes_left(&level), 1);
    assert_true(update());
    expect(LEVEL_OPEN, LEVEL_REASON_QUIET);
}

static void one_refusal_ends_the_probing(void **state)
{
    (void)state;
    start(0, false);
    in.slots = 0;
    update();
    in.slots = 100;
    in.now_ms += 60000;
    update();
    level_admit(&level);
    assert_true(level_refused(&level, in.now_ms));
    expect(LEVEL_CLOSED, LEVEL_REASON_REFUSED);
    in.now_ms += 4999;
    assert_false(update());
    assert_int_equal(level.gate, LEVEL_REASON_REFUSED);
    in.now_ms += 1; /* the hold, not the dwell */
    assert_true(update());
    expect(LEVEL_PROBING, LEVEL_REASON_ROOM);
}

static void holds_double_and_start_anew(void **state)
{
    int64_t expected[] = {5000, 10000, 20000, 40000, 60000, 60000};

    (void)state;
    start(0, false);
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        level_refused(&level, in.now_ms);
        assert_false(level_refused(&level, in.now_ms + 1)); /* a bundle is one */
        assert_int_equal(level.hold_until_ms, in.now_ms + expected[i]);
        in.now_ms += expected[i];
        assert_true(update());
    }
    level_bound(&level, false, in.now_ms);
    level_refused(&level, in.now_ms);
    assert_int_equal(level.hold_until_ms, in.now_ms + 5000);
}

/* Refused while closed for another reason: neither the hold nor the dwell is cut short. */
static void refused_while_closed(void **state)
{
    (void)state;
    start(0, false);
    in.slots = 0;
    update();
    in.slots = 9;
    in.now_ms += 58000;
    assert_false(level_refused(&level, in.now_ms));
    expect(LEVEL_CLOSED, LEVEL_REASON_SLOTS);
    in.now_ms += 4999;
    assert_false(update());
    in.now_ms += 1;
    assert_true(update());
}

static void words(void **state)
{
    (void)state;
    for (int r = 0; r < LEVEL_REASON_COUNT; r++) {
        assert_true(level_reason_word((enum level_reason)r)[0] != '\0');
        assert_true(level_reason_text((enum level_reason)r)[0] != '\0');
    }
    assert_string_equal(level_state_word(LEVEL_PROBING), "probing");
    assert_aborts((void)level_reason_word(LEVEL_REASON_COUNT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_gate_closes_at_once),
        cmocka_unit_test(the_reserve_stays_free),
        cmocka_unit_test(measurements_missing),
        cmocka_unit_test(back_needs_dwell_and_two_measurements),
        cmocka_unit_test(flapping_around_the_mark),
        cmocka_unit_test(a_gap_in_the_measurements_keeps_it_closed),
        cmocka_unit_test(one_two_four_and_open),
        cmocka_unit_test(a_lost_probe_makes_room_for_the_next),
        cmocka_unit_test(one_refusal_ends_the_probing),
        cmocka_unit_test(holds_double_and_start_anew),
        cmocka_unit_test(refused_while_closed),
        cmocka_unit_test(words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
