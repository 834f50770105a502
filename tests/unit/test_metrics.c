#include "unit.h"

#include "base/metrics.h"

#include <math.h>
#include <stdio.h>

static const char *printed(const struct metrics *m)
{
    static char text[65536];
    struct buf out;
    buf_init(&out, sizeof(text) - 1);
    metrics_print(m, &out);
    assert_false(out.overflowed);
    memcpy(text, buf_text(&out), out.len + 1);
    buf_fini(&out);
    return text;
}

static void counters_and_gauges_are_printed(void **state)
{
    (void)state;
    struct metrics *m = metrics_new();
    struct metric_family *f = metrics_family(m, METRIC_COUNTER, "spillway_requests_total",
                                             "Requests.\nAll of \\ them", "method,status", NULL, 0);
    metric_add(metric_with(f, "GET", "200"), 2);
    metric_add(metric_with(f, "GET", "200"), 1);
    metric_add(metric_with(f, "a\"b\\c\nd", "500"), 1);
    struct metric *g =
        metric_with(metrics_family(m, METRIC_GAUGE, "spillway_free", "Free.", "", NULL, 0));
    metric_set(g, 4.25);
    metric_add(g, -5);
    assert_string_equal(printed(m),
                        "# HELP spillway_requests_total Requests.\\nAll of \\\\ them\n"
                        "# TYPE spillway_requests_total counter\n"
                        "spillway_requests_total{method=\"GET\",status=\"200\"} 3\n"
                        "spillway_requests_total{method=\"a\\\"b\\\\c\\nd\",status=\"500\"} 1\n"
                        "# HELP spillway_free Free.\n"
                        "# TYPE spillway_free gauge\n"
                        "spillway_free -0.75\n");
    metrics_free(&m);
    assert_null(m);
    metrics_free(&m);
}

static void histograms_are_cumulative(void **state)
{
    (void)state;
    static const double BOUNDS[] = {0.1, 1};
    struct metrics *m = metrics_new();
    struct metric *h =
        metric_with(metrics_family(m, METRIC_HISTOGRAM, "t", "T", "op", BOUNDS, 2), "x");
    metric_observe(h, 0.1);
    metric_observe(h, 0.5);
    metric_observe(h, 7);
    assert_true(metric_value(h) == 3);
    assert_string_equal(printed(m), "# HELP t T\n# TYPE t histogram\n"
                                    "t_bucket{op=\"x\",le=\"0.1\"} 1\n"
                                    "t_bucket{op=\"x\",le=\"1\"} 2\n"
                                    "t_bucket{op=\"x\",le=\"+Inf\"} 3\n"
                                    "t_sum{op=\"x\"} 7.6\n"
                                    "t_count{op=\"x\"} 3\n");
    metrics_free(&m);
}

static void children_are_bounded(void **state)
{
    (void)state;
    struct metrics *m = metrics_new();
    struct metric_family *f = metrics_family(m, METRIC_COUNTER, "c", "C", "id", NULL, 0);
    char id[16];
    for (int i = 0; i < 1000; i++) {
        snprintf(id, sizeof(id), "id-%d", i);
        metric_add(metric_with(f, id), 1);
    }
    assert_true(metric_value(metric_with(f, "id-63")) == 1);
    assert_true(metric_value(metric_with(f, "id-64")) == 936);
    const char *text = printed(m);
    assert_non_null(strstr(text, "c{id=\"id-63\"} 1\nc{id=\"other\"} 936\n"));
    metrics_free(&m);
}

static void long_label_values_are_cut(void **state)
{
    (void)state;
    struct metrics *m = metrics_new();
    struct metric_family *f = metrics_family(m, METRIC_COUNTER, "c", "C", "id", NULL, 0);
    char one[300], other[300];
    memset(one, 'x', sizeof(one));
    one[299] = '\0';
    memcpy(other, one, sizeof(one));
    other[200] = 'y';
    assert_ptr_equal(metric_with(f, one), metric_with(f, other));
    assert_true(strlen(printed(m)) < 200);
    metrics_free(&m);
}

static void numbers_are_short_and_exact(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } CASES[] = {{0, "g 0\n"},
                 {0.1, "g 0.1\n"},
                 {1234567, "g 1234567\n"},
                 {1e15 + 1, "g 1000000000000001\n"},
                 {HUGE_VAL, "g +Inf\n"},
                 {1.0 / 3, "g 0.3333333333333333\n"}};
    struct metrics *m = metrics_new();
    struct metric *g = metric_with(metrics_family(m, METRIC_GAUGE, "g", "G", "", NULL, 0));
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        metric_set(g, CASES[i].value);
        assert_non_null(strstr(printed(m), CASES[i].text));
    }
    metrics_free(&m);
}

static void misuse_aborts(void **state)
{
    (void)state;
    struct metrics *m = metrics_new();
    struct metric_family *f = metrics_family(m, METRIC_COUNTER, "c", "C", "", NULL, 0);
    assert_aborts(metrics_family(m, METRIC_COUNTER, "c", "C", "", NULL, 0));
    assert_aborts(metrics_family(m, METRIC_COUNTER, "1c", "C", "", NULL, 0));
    assert_aborts(metrics_family(m, METRIC_COUNTER, "d", "C", "a,,b", NULL, 0));
    assert_aborts(metric_add(metric_with(f), -1));
    assert_aborts(metric_set(metric_with(f), 1));
    assert_aborts(metric_observe(metric_with(f), 1));
    metrics_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_and_gauges_are_printed),
        cmocka_unit_test(histograms_are_cumulative),
        cmocka_unit_test(children_are_bounded),
        cmocka_unit_test(long_label_values_are_cut),
        cmocka_unit_test(numbers_are_short_and_exact),
        cmocka_unit_test(misuse_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
