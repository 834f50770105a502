#include "unit.h"

#include "base/json.h"
#include "sandbox/language.h"

static struct languages table(const char *json, int want)
{
    struct languages l;
    struct err err = {0};
    struct json_t *j = json_parse(slice_of(json), &err);
    assert_non_null(j);
    int rc = languages_parse(&l, j, &err);
    assert_int_equal(rc, want);
    json_free(j);
    return l;
}

static void commands_are_filled_in(void **state)
{
    (void)state;
    struct languages l =
        table("{\"languages\":{\"x\":{\"filename\":\"m.x\",\"aliases\":[\"ex\"],\"run\":"
              "[\"/bin/sh\",\"{runtimes}/r\",\"-o{output_path}\",\"{file_path}\","
              "\"{filename}\",\"{other}{\"]}}}",
              0);
    const struct language *x = languages_find(&l, slice_of("ex"));
    assert_non_null(x);
    assert_ptr_equal(x, languages_find(&l, slice_of("x")));
    assert_null(languages_find(&l, slice_of("y")));
    assert_true(language_installed(x));
    char *args[] = {"{filename}", NULL};
    struct text_list given = {args, 1};
    struct language_places places = {"/tmp/{filename}", "na me", "/o", "/rt"};
    struct text_list c = language_command(x, &places, &given);
    const char *wanted[] = {"/bin/sh", "/rt/r",    "-o/o",      "/tmp/{filename}",
                            "na me",   "{other}{", "{filename}"};
    assert_int_equal(c.count, 7);
    for (size_t i = 0; i < c.count; i++)
        assert_string_equal(c.items[i], wanted[i]); /* what was put in is not read again */
    assert_null(c.items[7]);
    text_list_fini(&c);
    languages_fini(&l);
}

static void both_steps_are_one_command(void **state)
{
    (void)state;
    struct languages l =
        table("{\"languages\":{\"x\":{\"filename\":\"m.x\",\"run\":[\"{output_path}\",\"{stem}\"],"
              "\"compile\":[\"/bin/sh\",\"{file_path}\"],\"compile_timeout_seconds\":7},"
              "\"y\":{\"filename\":\"y\",\"run\":[\"/bin/sh\"],\"needs\":[\"/no/such/file\"]}}}",
              0);
    const struct language *x = languages_find(&l, slice_of("x"));
    assert_true(language_installed(x) && language_reports(x));
    assert_false(language_installed(languages_find(&l, slice_of("y"))));
    assert_int_equal(x->compile_ms, 7000);
    char *args[] = {"a", NULL};
    struct text_list given = {args, 1};
    struct language_places places = {"/tmp/d/Ma.in.x", "Ma.in.x", "/o", "/s/runtimes"};
    struct text_list c = language_command(x, &places, &given);
    const char *wanted[] = {"/s/runtimes/../agent", "compile", "plain", "/tmp/d/", "2", "/bin/sh",
                            "/tmp/d/Ma.in.x",       "/o",      "Ma.in", "a"};
    assert_int_equal(c.count, ARRAY_LEN(wanted));
    for (size_t i = 0; i < c.count; i++)
        assert_string_equal(c.items[i], wanted[i]);
    text_list_fini(&c);
    languages_fini(&l);
}

static void bad_tables_are_refused(void **state)
{
    (void)state;
    const char *bad[] = {
        "{}",
        "{\"languages\":[]}",
        "{\"languages\":{\"x\":{\"run\":[\"/bin/sh\"]}}}",
        "{\"languages\":{\"x\":{\"filename\":\"a\"}}}",
        "{\"languages\":{\"x\":{\"filename\":\"a\",\"run\":[]}}}",
        "{\"languages\":{\"x\":{\"filename\":\"a\",\"run\":[\"sh\"]}}}",
        "{\"languages\":{\"x\":{\"filename\":\"a\",\"run\":[\"/sh\",1]}}}",
        "{\"languages\":{\"x\":{\"filename\":\"a\",\"run\":[\"/sh\"],\"aliases\":\"b\"}}}",
        "{\"languages\":{\"x\":{\"filename\":\"a\",\"run\":[\"/sh\"],\"warm\":\"fork\"}}}",
        "{\"languages\":{\"x\":{\"filename\":\"a\",\"run\":[\"/"
        "sh\",\"{file_path}\"],\"warm\":true}}}",
        "{\"languages\":{\"x\":{\"filename\":\"a\",\"run\":[\"/sh\"],\"context\":\"b\"}}}",
        "{\"languages\":{\"x\":{\"filename\":\"a\",\"run\":[\"{output_path}\"]}}}",
        "{\"languages\":{\"x\":{\"filename\":\"a\",\"run\":[\"/sh\"],\"compile\":[\"cc\"]}}}",
        "{\"languages\":{\"x\":{\"filename\":\"a\",\"run\":[\"/sh\"],\"compile\":[\"/cc\"],"
        "\"compile_timeout_seconds\":0}}}",
        "{\"languages\":{\"x\":{\"filename\":\"a\",\"run\":[\"/sh\"],\"needs\":1}}}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct languages l = table(bad[i], -ERR_CONFIG);
        assert_int_equal(l.count, 0);
    }
}

static void the_table_we_ship_is_good(void **state)
{
    (void)state;
    struct languages l;
    struct err err = {0};
    assert_int_equal(
        languages_read(&l, SPILLWAY_SOURCE_DIR "/sandbox/runtimes/languages.yaml", &err), 0);
    const char *must[] = {"python", "nodejs", "bash"};
    for (size_t i = 0; i < 3; i++)
        assert_non_null(languages_find(&l, slice_of(must[i])));
    languages_fini(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_are_filled_in),
        cmocka_unit_test(both_steps_are_one_command),
        cmocka_unit_test(bad_tables_are_refused),
        cmocka_unit_test(the_table_we_ship_is_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
