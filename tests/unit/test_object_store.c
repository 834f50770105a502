#include "unit.h"

#include "base/json.h"
#include "clusters/embedded/object_store.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int changes;

static void on_changed(void *user)
{
    (void)user;
    changes++;
}

static struct object_store *new_store(const char *dir, int64_t wall_ms)
{
    return object_store_new(dir, wall_ms, on_changed, NULL);
}

static void put(struct object_store *s, const char *ns, const char *name, const char *mark)
{
    struct err err = {.code = ERR_NONE};
    struct json_t *old = object_store_get(s, OBJECT_POD, ns, name);
    struct json_t *o =
        old ? json_copy(old)
            : json_build("{s:{s:s, s:s}}", "metadata", "namespace", ns, "name", name);

    json_set_text(o, "mark", mark);
    assert_int_equal(object_store_put(s, OBJECT_POD, o, &err), 0);
}

static const char *meta(const struct object_store *s, const char *name, const char *key)
{
    return json_get_text(json_get(object_store_get(s, OBJECT_POD, "n", name), "metadata"), key, "");
}

static void put_get_remove(void **state)
{
    struct object_store *s = new_store(NULL, 5000);
    char uid[64];

    (void)state;
    changes = 0;
    put(s, "n", "a", "1");
    assert_string_equal(meta(s, "a", "resourceVersion"), "5000001");
    assert_int_equal(strlen(meta(s, "a", "uid")), 36);
    snprintf(uid, sizeof uid, "%s", meta(s, "a", "uid"));
    put(s, "n", "a", "2");
    assert_string_equal(meta(s, "a", "uid"), uid);
    assert_string_equal(meta(s, "a", "resourceVersion"), "5000002");
    assert_null(object_store_get(s, OBJECT_POD, "m", "a"));
    assert_null(object_store_get(s, OBJECT_NODE, "n", "a"));
    object_store_remove(s, OBJECT_POD, "n", "a");
    object_store_remove(s, OBJECT_POD, "n", "a"); /* not there: nothing */
    assert_null(object_store_get(s, OBJECT_POD, "n", "a"));
    assert_int_equal(object_store_version(s), 5000003);
    assert_int_equal(changes, 3);
    object_store_free(&s);
}

static void history(void **state)
{
    struct object_store *s = new_store(NULL, 1);
    const struct object_record *r = NULL;

    (void)state;
    put(s, "n", "a", "1");
    put(s, "n", "a", "2");
    object_store_remove(s, OBJECT_POD, "n", "a");
    r = object_store_after(s, OBJECT_POD, 1000);
    assert_int_equal(r->change, OBJECT_ADDED);
    assert_null(r->before);
    r = object_store_after(s, OBJECT_POD, r->version);
    assert_int_equal(r->change, OBJECT_MODIFIED);
    assert_string_equal(json_get_text(r->before, "mark", ""), "1");
    assert_string_equal(json_get_text(r->now, "mark", ""), "2");
    r = object_store_after(s, OBJECT_POD, r->version);
    assert_int_equal(r->change, OBJECT_DELETED);
    assert_string_equal(json_get_text(json_get(r->now, "metadata"), "resourceVersion", ""), "1003");
    assert_null(object_store_after(s, OBJECT_POD, r->version));
    assert_null(object_store_after(s, OBJECT_POD, UINT64_MAX));
    object_store_free(&s);
}

static void history_is_bounded(void **state)
{
    struct object_store *s = new_store(NULL, 1);

    (void)state;
    assert_true(object_store_covers(s, OBJECT_POD, 1000));
    assert_false(object_store_covers(s, OBJECT_POD, 999));
    for (int i = 0; i < OBJECT_HISTORY + 10; i++)
        put(s, "n", "a", "x");
    assert_false(object_store_covers(s, OBJECT_POD, 1009));
    assert_true(object_store_covers(s, OBJECT_POD, 1010));
    assert_int_equal(object_store_after(s, OBJECT_POD, 1010)->version, 1011);
    assert_true(object_store_covers(s, OBJECT_EVENT, 1000)); /* each kind has its own */
    object_store_free(&s);
}

static void lists_are_sorted(void **state)
{
    struct object_store *s = new_store(NULL, 1);
    struct json_t **list = NULL;

    (void)state;
    put(s, "n", "b", "");
    put(s, "n", "a", "");
    put(s, "m", "c", "");
    put(s, "nn", "d", "");
    assert_int_equal(object_store_list(s, OBJECT_POD, NULL, &list), 4);
    assert_string_equal(json_get_text(json_get(list[0], "metadata"), "name", ""), "c");
    assert_string_equal(json_get_text(json_get(list[1], "metadata"), "name", ""), "a");
    free(list);
    assert_int_equal(object_store_list(s, OBJECT_POD, "n", &list), 2);
    free(list);
    assert_int_equal(object_store_count(s, OBJECT_POD), 4);
    object_store_free(&s);
}

static void survives_a_restart(void **state)
{
    char dir[] = "/tmp/spillway-store-XXXXXX", path[300], command[400];
    struct object_store *s = NULL;
    struct err err = {.code = ERR_NONE};
    unsigned bad = 0;
    FILE *f = NULL;

    (void)state;
    assert_non_null(mkdtemp(dir));
    s = new_store(dir, 9000);
    assert_int_equal(object_store_load(s, &bad, &err), 0);
    put(s, "n", "kept", "1");
    put(s, "n", "gone", "1");
    object_store_remove(s, OBJECT_POD, "n", "gone");
    object_store_free(&s);
    snprintf(path, sizeof path, "%s/pods/half.json", dir);
    f = fopen(path, "w");
    fputs("{\"metadata\":", f);
    fclose(f);
    s = new_store(dir, 1); /* the clock went back */
    assert_int_equal(object_store_load(s, &bad, &err), 0);
    assert_int_equal(bad, 1);
    assert_int_equal(object_store_count(s, OBJECT_POD), 1);
    assert_string_equal(meta(s, "kept", "resourceVersion"), "9000001");
    assert_true(object_store_version(s) >= 9000001);
    assert_false(object_store_covers(s, OBJECT_POD, 9000000));
    object_store_free(&s);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(put_get_remove),     cmocka_unit_test(history),
        cmocka_unit_test(history_is_bounded), cmocka_unit_test(lists_are_sorted),
        cmocka_unit_test(survives_a_restart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
