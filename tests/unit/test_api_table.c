/* The embedded node's tables: what kubectl prints, cell by cell. */
#include "unit.h"

#include "base/json.h"
#include "clusters/embedded/api_table.h"
#include "clusters/kube_object.h"

#include <stdio.h>

#define NOW "2026-01-01T00:02:00Z"

static void forms(void **state)
{
    static const struct {
        const char *accept;
        enum api_table_form form;
    } rows[] = {
        {"", API_TABLE_PLAIN},
        {"*/*", API_TABLE_PLAIN},
        {"application/json", API_TABLE_PLAIN},
        {"application/json;as=Table;v=v1;g=meta.k8s.io", API_TABLE_ROWS},
        {"application/json; as=Table; v=v1; g=meta.k8s.io", API_TABLE_ROWS},
        {"application/json;as=Table;v=v1;g=meta.k8s.io,application/json", API_TABLE_ROWS},
        {"application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json", API_TABLE_PLAIN},
        {"application/vnd.kubernetes.protobuf, application/json", API_TABLE_PLAIN},
        {"application/vnd.kubernetes.protobuf", API_TABLE_OTHER},
        {"application/json;as=Table;v=v1beta1;g=meta.k8s.io", API_TABLE_OTHER},
        {"application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io", API_TABLE_OTHER},
        {"text/plain", API_TABLE_OTHER},
        {",;,", API_TABLE_OTHER},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(api_table_form(slice_of(rows[i].accept)), rows[i].form);
}

static void includes(void **state)
{
    enum api_table_include include = API_TABLE_OBJECT;

    (void)state;
    assert_true(api_table_include("", &include));
    assert_int_equal(include, API_TABLE_METADATA);
    assert_true(api_table_include("Object", &include));
    assert_int_equal(include, API_TABLE_OBJECT);
    assert_true(api_table_include("None", &include));
    assert_int_equal(include, API_TABLE_NOTHING);
    assert_false(api_table_include("object", &include));
}

static void durations(void **state)
{
    static const struct {
        int64_t seconds;
        const char *text;
    } rows[] = {
        {-5, "<invalid>"},   {-1, "0s"},        {0, "0s"},      {119, "119s"},
        {120, "2m"},         {200, "3m20s"},    {600, "10m"},   {10799, "179m"},
        {10800, "3h"},       {12060, "3h21m"},  {28800, "8h"},  {172799, "47h"},
        {172800, "2d"},      {180000, "2d2h"},  {691200, "8d"}, {63072000, "2y"},
        {66000000, "2y33d"}, {252288000, "8y"},
    };
    char text[32];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        api_table_duration(rows[i].seconds * 1000, text);
        assert_string_equal(text, rows[i].text);
    }
}

static struct json_t *parse(const char *text)
{
    struct err err = {.code = ERR_NONE};
    struct json_t *j = json_parse_object(slice_of(text), &err);

    assert_non_null(j);
    return j;
}

static int64_t now(void)
{
    int64_t ms = 0;

    assert_true(kube_time_parse(NOW, &ms));
    return ms;
}

/* READY and STATUS of a pod with this status. */
static void assert_pod(const char *meta, const char *status, const char *ready, const char *why)
{
    char text[2000];
    struct json_t *pod = NULL, *row = NULL;
    const struct json_t *cells = NULL;

    snprintf(text, sizeof text,
             "{\"metadata\":{\"name\":\"p\",\"creationTimestamp\":\"2026-01-01T00:00:00Z\"%s},"
             "\"spec\":{\"initContainers\":[{}],\"containers\":[{}],\"nodeName\":\"n\"},"
             "\"status\":%s}",
             meta, status);
    pod = parse(text);
    row = api_table_row(OBJECT_POD, pod, API_TABLE_NOTHING, now());
    cells = json_get(row, "cells");
    assert_int_equal(json_count(cells), 9);
    assert_string_equal(json_text(json_item(cells, 0)), "p");
    assert_string_equal(json_text(json_item(cells, 1)), ready);
    assert_string_equal(json_text(json_item(cells, 2)), why);
    assert_string_equal(json_text(json_item(cells, 4)), "2m");
    assert_string_equal(json_text(json_item(cells, 5)), "<none>");
    assert_true(json_is_null(json_get(row, "object")));
    json_free(row);
    json_free(pod);
}

#define INIT_DONE "\"initContainerStatuses\":[{\"state\":{\"terminated\":{\"exitCode\":0}}}]"
#define MAIN(state, ready)                                                                         \
    INIT_DONE ",\"containerStatuses\":[{\"ready\":" ready ",\"state\":" state "}]"

static void pods(void **state)
{
    (void)state;
    assert_pod("", "{\"phase\":\"Pending\"}", "0/1", "Pending");
    assert_pod(
        "",
        "{\"phase\":\"Pending\",\"initContainerStatuses\":[{\"state\":{\"waiting\":{\"reason\":"
        "\"PodInitializing\"}}}]}",
        "0/1", "Init:0/1");
    assert_pod(
        "",
        "{\"phase\":\"Failed\",\"initContainerStatuses\":[{\"state\":{\"terminated\":{\"exitCode\":"
        "2}}}]}",
        "0/1", "Init:ExitCode:2");
    assert_pod("",
               "{\"phase\":\"Pending\"," MAIN("{\"waiting\":{\"reason\":\"ContainerCreating\"}}",
                                              "false") "}",
               "0/1", "ContainerCreating");
    assert_pod("", "{\"phase\":\"Running\"," MAIN("{\"running\":{}}", "true") "}", "1/1",
               "Running");
    assert_pod(",\"deletionTimestamp\":\"" NOW "\"",
               "{\"phase\":\"Running\"," MAIN("{\"running\":{}}", "true") "}", "1/1",
               "Terminating");
    assert_pod(",\"deletionTimestamp\":\"" NOW "\"",
               "{\"phase\":\"Succeeded\"," MAIN("{\"terminated\":{\"reason\":\"Completed\"}}",
                                                "false") "}",
               "0/1", "Completed");
    assert_pod(
        "",
        "{\"phase\":\"Failed\"," MAIN("{\"terminated\":{\"reason\":\"OOMKilled\"}}", "false") "}",
        "0/1", "OOMKilled");
    assert_pod("", "{\"phase\":\"Failed\"," MAIN("{\"terminated\":{\"signal\":9}}", "false") "}",
               "0/1", "Signal:9");
}

static void tables(void **state)
{
    struct json_t *event = parse("{\"metadata\":{\"name\":\"p.1\"},\"involvedObject\":{\"kind\":"
                                 "\"Pod\",\"name\":\"p\"},\"type\":\"Normal\","
                                 "\"reason\":\"Started\",\"message\":\"m\",\"count\":3,"
                                 "\"lastTimestamp\":\"2026-01-01T00:01:50Z\","
                                 "\"source\":{\"component\":\"kubelet\",\"host\":\"n\"}}");
    struct json_t *table = api_table_of(OBJECT_EVENT, event, API_TABLE_METADATA, true, now());
    const struct json_t *row = json_item(json_get(table, "rows"), 0),
                        *cells = json_get(row, "cells");

    (void)state;
    assert_string_equal(json_get_text(table, "kind", ""), "Table");
    assert_int_equal(json_count(json_get(table, "columnDefinitions")), 10);
    assert_int_equal(json_count(cells), 10);
    assert_string_equal(json_text(json_item(cells, 0)), "10s");
    assert_string_equal(json_text(json_item(cells, 3)), "pod/p");
    assert_string_equal(json_text(json_item(cells, 5)), "kubelet, n");
    assert_string_equal(json_text(json_item(cells, 7)), "<unknown>");
    assert_int_equal(json_int(json_item(cells, 8), 0), 3);
    assert_string_equal(json_get_text(json_get(row, "object"), "kind", ""),
                        "PartialObjectMetadata");
    json_free(table);
    table = api_table_of(OBJECT_EVENT, event, API_TABLE_OBJECT, false, now());
    assert_true(json_is_null(json_get(table, "columnDefinitions")));
    assert_string_equal(
        json_get_text(json_get(json_item(json_get(table, "rows"), 0), "object"), "reason", ""),
        "Started");
    json_free(table);
    json_free(event);
}

/* As many cells as columns, also where the object says nothing. */
static void every_kind(void **state)
{
    struct json_t *nothing = json_new_object();

    (void)state;
    for (int kind = 0; kind < OBJECT_KINDS; kind++) {
        struct json_t *t =
            api_table_of((enum object_kind)kind, nothing, API_TABLE_METADATA, true, now());

        assert_int_equal(json_count(json_get(json_item(json_get(t, "rows"), 0), "cells")),
                         json_count(json_get(t, "columnDefinitions")));
        json_free(t);
    }
    json_free(nothing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms), cmocka_unit_test(includes), cmocka_unit_test(durations),
        cmocka_unit_test(pods),  cmocka_unit_test(tables),   cmocka_unit_test(every_kind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
