#include "base/json.h"
#include "gateway/packages.h"
#include "tests/unit/unit.h"

#include <stdio.h>

static int read_text(const char *text, struct json_t **out, struct err *err)
{
    struct json_t *j = json_parse(slice_of(text), err);
    assert_non_null(j);
    int rc = packages_read(j, out, err);
    json_free(j);
    return rc;
}

static void names_with_versions_are_taken(void **state)
{
    (void)state;
    static const char *const GOOD[] = {
        "{\"requirements\":[\"numpy\",\"requests[socks]>=2,<3\",\"a_b.c==1.0.*\",\"x ~= 1.0\"]}",
        "{\"npm\":[\"left-pad\",\"@scope/name@^1.2.3\",\"a@>=1 <2 || 3.x\"]}",
    };
    struct err err;
    struct json_t *p;
    for (size_t i = 0; i < ARRAY_LEN(GOOD); i++) {
        assert_int_equal(read_text(GOOD[i], &p, &err), 0);
        assert_non_null(p);
        json_free(p);
    }
    assert_int_equal(read_text("{\"requirements\":[],\"npm\":null,\"other\":1}", &p, &err), 0);
    assert_null(p);
}

static void options_paths_and_addresses_are_refused(void **state)
{
    (void)state;
    static const char *const BAD[] = {
        "{\"requirements\":\"numpy\"}",
        "{\"requirements\":[1]}",
        "{\"requirements\":[\"\"]}",
        "{\"requirements\":[\"-r /etc/passwd\"]}",
        "{\"requirements\":[\"../x\"]}",
        "{\"requirements\":[\"a @ file:///etc/passwd\"]}",
        "{\"requirements\":[\"a\\n--index-url=x\"]}",
        "{\"requirements\":[\"a;b\"]}",
        "{\"requirements\":[\"a$(id)\"]}",
        "{\"npm\":[\"file:../x\"]}",
        "{\"npm\":[\"/etc/passwd\"]}",
        "{\"npm\":[\"a b'c\"]}",
        "{\"npm\":{}}",
    };
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        struct err err;
        struct json_t *p;
        if (read_text(BAD[i], &p, &err) == 0)
            fail_msg("taken: %s", BAD[i]);
        assert_int_equal(err.code, ERR_INVALID_ARGUMENT);
        assert_null(p);
    }
}

static void the_environments_come_first_and_once(void **state)
{
    (void)state;
    struct err err;
    struct json_t *a, *b, *both, *into = json_new_object();
    assert_int_equal(read_text("{\"requirements\":[\"one\",\"two\"]}", &a, &err), 0);
    assert_int_equal(read_text("{\"requirements\":[\"two\",\"three\"],\"npm\":[\"n\"]}", &b, &err),
                     0);
    assert_int_equal(packages_join(a, b, &both, &err), 0);
    packages_put(both, into);
    struct json_t *list = json_get(into, "requirements");
    assert_int_equal(json_count(list), 3);
    assert_string_equal(json_text(json_item(list, 0)), "one");
    assert_string_equal(json_text(json_item(list, 2)), "three");
    assert_int_equal(json_count(json_get(into, "npm")), 1);
    json_free(into);
    json_free(both);
    assert_int_equal(packages_join(a, NULL, &both, &err), 0);
    assert_null(json_get(both, "npm"));
    json_free(both);
    json_free(a);
    json_free(b);
}

static void too_many_are_refused(void **state)
{
    (void)state;
    struct err err;
    struct json_t *out, *from = json_new_object(), *list = json_new_array();
    for (int i = 0; i <= PACKAGES_MAX; i++) {
        char name[16];
        snprintf(name, sizeof(name), "p%d", i);
        json_add(list, json_new_text(name));
    }
    json_set(from, "npm", list);
    assert_int_equal(packages_read(from, &out, &err), -ERR_LIMIT_EXCEEDED);
    json_free(from);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_with_versions_are_taken),
        cmocka_unit_test(options_paths_and_addresses_are_refused),
        cmocka_unit_test(the_environments_come_first_and_once),
        cmocka_unit_test(too_many_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
