#include "base/yaml.h"
#include "gateway/environments.h"

#include "tests/unit/gateway_sample.h"
#include "tests/unit/unit.h"

static void what_is_not_said_has_a_default(void **state)
{
    (void)state;
    struct environments *e = sample_environments();
    assert_int_equal(environments_count(e), 2);
    const struct environment *node = environments_get(e, "node");
    assert_string_equal(node->image, "spillway/node");
    assert_int_equal(node->millicpu, 500);
    assert_int_equal(node->pids, 64);
    assert_true(environment_has_language(node, slice_of("nodejs")));
    assert_false(environment_has_language(node, slice_of("python")));
    assert_null(environments_get(e, "lisp"));
    environments_free(&e);
}

static void names_and_languages_find_it(void **state)
{
    (void)state;
    struct err err;
    struct json_t *file = json_parse(
        slice_of("{\"environments\":{\"python\":{\"image\":\"i\",\"languages\":[\"python\"]},"
                 "\"native\":{\"image\":\"n\",\"aliases\":[\"rust\",\"cpp\"],"
                 "\"languages\":[\"c\",\"rust\"]}}}"),
        &err);
    struct environments *e = environments_parse(file, &err);
    assert_non_null(e);
    assert_string_equal(environments_get(e, "cpp")->name, "native");
    assert_string_equal(environments_get(e, "native")->name, "native");
    assert_null(environments_get(e, "c"));
    assert_string_equal(environments_name_for(e, "python", slice_of("c")), "native");
    assert_string_equal(environments_name_for(e, "python", slice_of("python")), "python");
    assert_string_equal(environments_name_for(e, "python", slice_of("cobol")), "python");
    environments_free(&e);
    json_free(file);
}

static void its_packages_are_every_sessions_and_come_first(void **state)
{
    (void)state;
    struct err err;
    struct json_t *file =
        json_parse(slice_of("{\"environments\":{\"python\":{\"image\":\"i\",\"languages\":"
                            "[\"python\"],\"requirements\":[\"numpy==1.*\"]}}}"),
                   &err);
    struct environments *e = environments_parse(file, &err);
    assert_non_null(e);
    struct session_request r;
    assert_int_equal(sample_request(&r, e, "{\"requirements\":[\"own\"]}", &err), 0);
    const struct json_t *list = json_get(r.spec.packages, "requirements");
    assert_int_equal(json_count(list), 2);
    assert_string_equal(json_text(json_item(list, 0)), "numpy==1.*");
    session_request_fini(&r);
    assert_int_equal(sample_request(&r, e, "", &err), 0);
    assert_int_equal(json_count(json_get(r.spec.packages, "requirements")), 1);
    session_request_fini(&r);
    environments_free(&e);
    json_free(file);
}

/* The agent knows them too, from its own table. */
static void languages_have_the_same_other_names_everywhere(void **state)
{
    (void)state;
    struct err err;
    struct json_t *agent =
        yaml_read_file(SPILLWAY_SOURCE_DIR "/sandbox/runtimes/languages.yaml", &err);
    struct json_t *ours =
        yaml_read_file(SPILLWAY_SOURCE_DIR "/sandbox/images/environments.yaml", &err);
    struct environments *e = environments_parse(ours, &err);
    assert_non_null(e);
    const char *name;
    struct json_t *language;
    size_t theirs = 0, known = 0;
    for (void *it = NULL; (it = json_next(json_get(agent, "languages"), it, &name, &language));) {
        const struct json_t *aliases = json_get(language, "aliases");
        assert_string_equal(environments_language(e, name), name);
        for (size_t i = 0; i < json_count(aliases); i++, theirs++)
            assert_string_equal(environments_language(e, json_text(json_item(aliases, i))), name);
    }
    for (void *it = NULL;
         (it = json_next(json_get(ours, "language_aliases"), it, &name, &language));)
        known += json_count(language);
    assert_true(theirs > 0);
    assert_int_equal(known, theirs);
    environments_free(&e);
    json_free(ours);
    json_free(agent);
}

static void mistakes_name_the_environment(void **state)
{
    (void)state;
    static const char *const WRONG[] = {
        "{\"environments\":{}}",
        "{\"environments\":{\"a\":{\"languages\":[\"python\"]}}}",
        "{\"environments\":{\"a\":{\"image\":\"i\"}}}",
        "{\"environments\":{\"a\":{\"image\":\"i\",\"languages\":[]}}}",
        "{\"environments\":{\"a\":{\"image\":\"i\",\"languages\":[\"C++\"]}}}",
        "{\"environments\":{\"a\":{\"image\":\"i\",\"languages\":[\"c\"],\"pids\":1}}}",
        "{\"environments\":{\"a\":{\"image\":\"i\",\"languages\":[\"c\"],\"resources\":{\"cpu\":"
        "\"0\"}}}}",
        "{\"environments\":{\"A\":{\"image\":\"i\",\"languages\":[\"c\"]}}}",
        "{\"environments\":{\"a\":{\"image\":\"i\",\"languages\":[\"c\"],\"aliases\":"
        "[\"A\"]}}}",
        "{\"environments\":{\"a\":{\"image\":\"i\",\"languages\":[\"c\"]}},"
        "\"language_aliases\":[]}",
        "{\"environments\":{\"a\":{\"image\":\"i\",\"languages\":[\"c\"]}},"
        "\"language_aliases\":{\"c\":\"d\"}}",
        "{\"environments\":{\"a\":{\"image\":\"i\",\"languages\":[\"c\"]}},"
        "\"language_aliases\":{\"c\":[\"D\"]}}",
        "{\"environments\":{\"a\":{\"image\":\"i\",\"languages\":[\"c\"],\"npm\":[\"-x\"]}}}",
        "[]",
    };
    for (size_t i = 0; i < ARRAY_LEN(WRONG); i++) {
        struct err err;
        struct json_t *file = json_parse(slice_of(WRONG[i]), &err);
        struct environments *e = environments_parse(file, &err);
        if (e)
            fail_msg("accepted: %s", WRONG[i]);
        assert_int_equal(err.code, ERR_CONFIG);
        json_free(file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_said_has_a_default),
        cmocka_unit_test(names_and_languages_find_it),
        cmocka_unit_test(its_packages_are_every_sessions_and_come_first),
        cmocka_unit_test(languages_have_the_same_other_names_everywhere),
        cmocka_unit_test(mistakes_name_the_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
