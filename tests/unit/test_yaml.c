#include "unit.h"

#include "base/json.h"
#include "base/yaml.h"

#include <stdio.h>
#include <stdlib.h>

static const char *as_json(const char *yaml, bool typed)
{
    static char text[4096];
    struct err err = {0};
    struct json_t *j = typed ? yaml_read_text(yaml, strlen(yaml), "t.yaml", NULL, NULL, &err)
                             : yaml_read_scalars(yaml, strlen(yaml), "t.yaml", NULL, NULL, &err);
    if (!j)
        fail_msg("%s: %s", yaml, err.msg);
    struct buf out;
    buf_init(&out, sizeof(text) - 1);
    json_print(j, &out);
    memcpy(text, buf_text(&out), out.len + 1);
    buf_fini(&out);
    json_free(j);
    return text;
}

static void plain_scalars_have_types(void **state)
{
    (void)state;
    assert_string_equal(
        as_json("[~, null, '', true, False, 0, -12, +3, 0x1F, 0o17, 0.5, 1e3, .5]", true),
        "[null,null,\"\",true,false,0,-12,3,31,15,0.5,1000.0,0.5]");
    assert_string_equal(as_json("['true', \"1\", yes, 1.2.3, 0x, -, ., 1e, 12a, .inf, .nan]", true),
                        "[\"true\",\"1\",\"yes\",\"1.2.3\",\"0x\",\"-\",\".\",\"1e\",\"12a\","
                        "\".inf\",\".nan\"]");
    assert_string_equal(as_json("[9223372036854775807, 9223372036854775808, 1e999]", true),
                        "[9223372036854775807,9.22337203685478e18,\"1e999\"]");
    assert_string_equal(as_json("a: |\n  two\n  lines\nb: >\n  one\n  line\n", true),
                        "{\"a\":\"two\\nlines\\n\",\"b\":\"one line\\n\"}");
}

static void texts_stay_as_written_where_asked(void **state)
{
    (void)state;
    assert_string_equal(as_json("{a: 1.10, b: 0755, c: true, d: ~, e: '~'}", false),
                        "{\"a\":\"1.10\",\"b\":\"0755\",\"c\":\"true\",\"d\":null,\"e\":\"~\"}");
}

static void collections_nest(void **state)
{
    (void)state;
    assert_string_equal(as_json("a:\n  b:\n  - c: 1\n    d: [x, {y: 2}]\n  - z\ne:\n", true),
                        "{\"a\":{\"b\":[{\"c\":1,\"d\":[\"x\",{\"y\":2}]},\"z\"]},\"e\":null}");
    assert_string_equal(as_json("", true), "null");
    assert_string_equal(as_json("# only a comment\n", true), "null");
    assert_string_equal(as_json("---\na: 1\n...\n", true), "{\"a\":1}");
}

static void assert_refused(const char *yaml, size_t len, const char *why)
{
    struct err err = {0};
    struct json_t *j = yaml_read_text(yaml, len, "t.yaml", NULL, NULL, &err);
    if (j)
        fail_msg("accepted: %s", yaml);
    assert_int_equal(err.code, ERR_CONFIG);
    if (!strstr(err.msg, why))
        fail_msg("%s: '%s' does not say '%s'", yaml, err.msg, why);
}

static void what_is_refused_names_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        const char *why;
    } CASES[] = {
        {"a: 1\nb: 2\na: 3\n", "t.yaml:3: the key 'a' stands here twice"},
        {"a: &x 1\nb: 2\n", "t.yaml:1: anchors"},
        {"a: &x {b: 1}\n", "t.yaml:1: anchors"},
        {"a: 1\nb: *x\n", "t.yaml:2"},
        {"a: !!binary aGk=\n", "t.yaml:1: tags"},
        {"a: 1\nb: !x {c: 1}\n", "t.yaml:2: tags"},
        {"!x a: 1\n", "t.yaml:1"},
        {"? [a, b]\n: 1\n", "t.yaml:1: a key must be"},
        {"a: 1\n---\nb: 2\n", "only one document"},
        {"a: [1, 2\n", "t.yaml:"},
        {"a: 'open\n", "t.yaml:"},
        {"a:\n\t- 1\n", "t.yaml:2"},
        {"a: 1\n b: 2\n", "t.yaml:2"},
        {"a: \"x\\0y\"\n", "t.yaml:1: a text contains NUL"},
        {"\"x\\0y\": 1\n", "t.yaml:1: a key contains NUL"},
        {"a: \xff\n", "t.yaml:"},
        {"a: \x01\n", "t.yaml:"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        assert_refused(CASES[i].yaml, strlen(CASES[i].yaml), CASES[i].why);
}

static void depth_and_paths_have_limits(void **state)
{
    (void)state;
    char deep[256] = "";
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        strcat(deep, "[");
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        strcat(deep, "]");
    struct err err = {0};
    struct json_t *j = yaml_read_text(deep, strlen(deep), "t.yaml", NULL, NULL, &err);
    assert_non_null(j);
    json_free(j);
    char deeper[300];
    snprintf(deeper, sizeof(deeper), "[%s]", deep);
    assert_refused(deeper, strlen(deeper), "nested too deeply");
    char bomb[1000];
    memset(bomb, '[', sizeof(bomb));
    assert_refused(bomb, sizeof(bomb), "nested too deeply");
    char key[5000];
    memset(key, 'k', sizeof(key));
    memcpy(key, "? ", 2);
    memcpy(key + sizeof(key) - 5, "\n: 1\n", 5);
    assert_refused(key, sizeof(key), "too long");
}

struct lines {
    char text[256];
};

static void note(const char *path, int line, void *user)
{
    struct lines *l = user;
    size_t used = strlen(l->text);
    snprintf(l->text + used, sizeof(l->text) - used, "%s=%d ", path, line);
}

static void lines_of_keys_are_told(void **state)
{
    (void)state;
    static const char YAML[] = "a:\n  b: 1\n\n  c: {d: 2}\ne:\n- f: 3\n- 4\n";
    struct lines l = {""};
    struct err err = {0};
    struct json_t *j = yaml_read_text(YAML, sizeof(YAML) - 1, "t", note, &l, &err);
    assert_non_null(j);
    json_free(j);
    assert_string_equal(l.text, "a=1 a.b=2 a.c=4 a.c.d=4 e=5 e.0.f=6 ");
}

static void files_are_read(void **state)
{
    (void)state;
    char path[] = "/tmp/spillway-yaml-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "a: 1\n", 5), 5);
    struct err err = {0};
    struct json_t *j = yaml_read_file(path, &err);
    assert_int_equal(json_int(json_get(j, "a"), 0), 1);
    json_free(j);
    assert_int_equal(ftruncate(fd, YAML_FILE_MAX_BYTES + 1), 0);
    assert_null(yaml_read_file(path, &err));
    assert_non_null(strstr(err.msg, "longer than the limit"));
    close(fd);
    unlink(path);
    assert_null(yaml_read_file(path, &err));
    assert_non_null(strstr(err.msg, "No such file"));
    assert_null(yaml_read_file("/tmp", &err));
    assert_non_null(strstr(err.msg, "Is a directory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_scalars_have_types),
        cmocka_unit_test(texts_stay_as_written_where_asked),
        cmocka_unit_test(collections_nest),
        cmocka_unit_test(what_is_refused_names_its_line),
        cmocka_unit_test(depth_and_paths_have_limits),
        cmocka_unit_test(lines_of_keys_are_told),
        cmocka_unit_test(files_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
