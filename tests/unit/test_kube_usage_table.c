#include "unit.h"

#include "base/json.h"
#include "base/mem.h"
#include "clusters/kube_object.h"
#include "clusters/kube_usage_table.h"

#include <stdio.h>
#include <string.h>

#define NOW  1000000
#define WALL INT64_C(1750000000000)

static struct kube_usage_table *table;
static struct kube_usage_tally tally;

static int start(void **state)
{
    (void)state;
    table = kube_usage_table_new();
    return 0;
}

static int stop(void **state)
{
    (void)state;
    kube_usage_table_free(&table);
    return 0;
}

static void take_text(const char *text, int64_t now_ms)
{
    struct err err = {0};
    struct json_t *list = json_parse(slice_of(text), &err);

    assert_non_null(list);
    assert_int_equal(
        kube_usage_table_take(table, list, now_ms, WALL + (now_ms - NOW), &tally, &err), 0);
    json_free(list);
}

static void take(const char *node, const char *cpu, const char *memory, const char *window,
                 int64_t wall_ms, int64_t now_ms)
{
    char time[32];
    kube_time_print(wall_ms, time);
    char *text CLEANUP(mem_free_text) = mem_format(
        "{\"items\":[{\"metadata\":{\"name\":\"%s\",\"creationTimestamp\":\"2001-01-01T00:00:00Z\"}"
        ",\"timestamp\":\"%s\",\"window\":%s,\"usage\":{\"cpu\":%s,\"memory\":%s}}]}",
        node, time, window, cpu, memory);

    take_text(text, now_ms);
}

static int64_t age(const char *node, int64_t now_ms)
{
    int64_t ms = -1;

    return kube_usage_table_get(table, node, now_ms, &ms) ? ms : -1;
}

static int64_t millicpu(const char *node)
{
    int64_t ms;
    const struct kube_usage_sample *s = kube_usage_table_get(table, node, NOW, &ms);

    return s ? s->millicpu : -1;
}

static void as_metrics_server_says(void **state)
{
    int64_t ms;

    (void)state;
    take("n", "\"487558164n\"", "\"732212Ki\"", "\"30s\"", WALL - 20000, NOW);
    const struct kube_usage_sample *s = kube_usage_table_get(table, "n", NOW, &ms);
    assert_int_equal(s->millicpu, 488);
    assert_int_equal(s->memory_bytes, 732212 * 1024);
    assert_int_equal(s->window_ms, 30000);
    assert_int_equal(ms, 20000);
    assert_int_equal(age("n", NOW + 5000), 25000);
    assert_int_equal(age("other", NOW), -1);
    assert_int_equal(kube_usage_table_count(table), 1);
}

/* Replicas of metrics-server answer in turn: never backwards. */
static void never_backwards(void **state)
{
    (void)state;
    take("n", "\"100m\"", "\"1Ki\"", "\"30s\"", WALL - 10000, NOW);
    assert_int_equal(tally.newer, 1);
    take("n", "\"900m\"", "\"1Ki\"", "\"30s\"", WALL - 20000, NOW);
    assert_int_equal(tally.same_or_older, 1);
    assert_int_equal(millicpu("n"), 100);
    take("n", "\"900m\"", "\"1Ki\"", "\"30s\"", WALL - 10000, NOW + 5000);
    assert_int_equal(tally.newer, 0);
    assert_int_equal(age("n", NOW + 5000), 15000);
    take("n", "\"200m\"", "\"1Ki\"", "\"30s\"", WALL, NOW + 5000);
    assert_int_equal(millicpu("n"), 200);
    /* … but a clock that was set back does not hold for ever what nobody confirms. */
    take("n", "\"300m\"", "\"1Ki\"", "\"30s\"", WALL - 3600000, NOW + 200000);
    assert_int_equal(millicpu("n"), 300);
}

static void freshness(void **state)
{
    struct kube_usage_sample s = {.window_ms = 10000};

    (void)state;
    assert_true(kube_usage_fresh(&s, 90000));
    assert_false(kube_usage_fresh(&s, 90001));
    s.window_ms = 60000;
    assert_true(kube_usage_fresh(&s, 180000));
    assert_false(kube_usage_fresh(&s, 180001));
    take("old", "\"1m\"", "\"1Ki\"", "\"15s\"", WALL - 3600000, NOW);
    assert_int_equal(age("old", NOW), 3600000);
    /* A server's clock a little ahead of ours is no reason to know nothing. */
    take("ahead", "\"1m\"", "\"1Ki\"", "\"15s\"", WALL + 60000, NOW);
    assert_int_equal(age("ahead", NOW), 0);
}

static void garbage_is_refused_item_by_item(void **state)
{
    static const struct {
        const char *cpu, *memory, *window;
        int64_t wall_ms;
    } CASES[] = {
        {"\"NaN\"", "\"1Ki\"", "\"15s\"", WALL},
        {"\"-5m\"", "\"1Ki\"", "\"15s\"", WALL},
        {"\"1m\"", "\"-1\"", "\"15s\"", WALL},
        {"\"1m\"", "\"Inf\"", "\"15s\"", WALL},
        {"\"\"", "\"1Ki\"", "\"15s\"", WALL},
        {"\"1e60\"", "\"1Ki\"", "\"15s\"", WALL},
        {"\"2M\"", "\"1Ki\"", "\"15s\"", WALL},
        {"\"1m\"", "\"1Ei\"", "\"15s\"", WALL},
        {"null", "\"1Ki\"", "\"15s\"", WALL},
        {"1", "\"1Ki\"", "\"15s\"", WALL},
        {"\"1m\"", "{}", "\"15s\"", WALL},
        {"\"1m\"", "\"1Ki\"", "\"-15s\"", WALL},
        {"\"1m\"", "\"1Ki\"", "\"soon\"", WALL},
        {"\"1m\"", "\"1Ki\"", "15", WALL},
        {"\"1m\"", "\"1Ki\"", "\"15s\"", WALL + 3600000},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        take("n", CASES[i].cpu, CASES[i].memory, CASES[i].window, CASES[i].wall_ms, NOW);
        assert_int_equal(tally.refused, 1);
        assert_int_equal(millicpu("n"), -1);
    }
    take_text("{\"items\":[1,null,{},{\"metadata\":{\"name\":\"x\"}},[],\"\"]}", NOW);
    assert_int_equal(tally.refused, 6);
    take_text("{\"items\":[]}", NOW);
    assert_int_equal(tally.refused + tally.newer + tally.same_or_older, 0);
}

static void no_list_at_all(void **state)
{
    static const char *const TEXTS[] = {"{}", "[]", "{\"items\":{}}", "{\"items\":null}", "1"};
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++) {
        struct json_t *list = json_parse(slice_of(TEXTS[i]), &err);
        assert_int_equal(kube_usage_table_take(table, list, NOW, WALL, &tally, &err),
                         -ERR_KUBERNETES);
        json_free(list);
    }
}

static void nodes_that_are_gone_are_forgotten(void **state)
{
    (void)state;
    take("gone", "\"1m\"", "\"1Ki\"", "\"15s\"", WALL, NOW);
    take("there", "\"1m\"", "\"1Ki\"", "\"15s\"", WALL + 3600000, NOW + 3600000);
    take("there", "\"1m\"", "\"1Ki\"", "\"15s\"", WALL + 3601000, NOW + 3600001);
    assert_int_equal(kube_usage_table_count(table), 1);
}

static void windows(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } CASES[] = {{"30s", 30000},       {"15.012s", 15012}, {"1m0s", 60000},   {"1h1m1s", 3661000},
                 {"500ms", 500},       {"0s", 0},          {"24h", 86400000}, {"1.5h", 5400000},
                 {"1500\xc2\xb5s", 1}, {"10000000ns", 10}};
    static const char *const BAD[] = {"",    "s",    "10",  "-1s",  "1d",  "1s ",
                                      "x1s", "1.s.", "25h", "1e3s", "nan", "99999999999999999999h"};
    int64_t ms;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        assert_true(kube_usage_window_parse(CASES[i].text, &ms));
        assert_int_equal(ms, CASES[i].ms);
    }
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++)
        assert_false(kube_usage_window_parse(BAD[i], &ms));
    assert_false(kube_usage_window_parse(NULL, &ms));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(as_metrics_server_says),
        TEST(never_backwards),
        TEST(freshness),
        TEST(garbage_is_refused_item_by_item),
        TEST(no_list_at_all),
        TEST(nodes_that_are_gone_are_forgotten),
        TEST(windows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
