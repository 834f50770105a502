#include "gateway/record_cache.h"

#include "sandbox/result_record.h"
#include "tests/unit/unit.h"

#define KEY(tenant, session, execution) (&(const struct record_key){tenant, session, execution})

static struct result_record *some_record(void)
{
    struct err err;
    const char *text = "{\"execution_id\":\"e\",\"status\":\"completed\",\"outputs\":{\"stdout\":{"
                       "\"total\":0,\"head\":0,"
                       "\"tail\":0},\"stderr\":{\"total\":0,\"head\":0,\"tail\":0}}}\n";
    struct result_record *r = result_record_parse(slice_of(text), &err);
    assert_non_null(r);
    return r;
}

static void the_least_recently_used_goes_first(void **state)
{
    (void)state;
    struct record_cache *c = record_cache_new(4096);
    record_cache_put(c, KEY("a", "s", "a"), 7, some_record(), 1000);
    record_cache_put(c, KEY("a", "s", "b"), 7, some_record(), 1000);
    assert_non_null(record_cache_get(c, KEY("a", "s", "a"), 0));
    record_cache_put(c, KEY("a", "s", "c"), 7, some_record(), 1000);
    assert_null(record_cache_get(c, KEY("a", "s", "b"), 0));
    assert_non_null(record_cache_get(c, KEY("a", "s", "a"), 0));
    assert_non_null(record_cache_get(c, KEY("a", "s", "c"), 0));
    assert_null(record_cache_get(c, KEY("a", "t", "a"), 0));
    assert_true(record_cache_bytes(c) <= 4096);
    record_cache_put(c, KEY("a", "s", "huge"), 7, some_record(),
                     5000); /* does not push the others out */
    assert_null(record_cache_get(c, KEY("a", "s", "huge"), 0));
    assert_non_null(record_cache_get(c, KEY("a", "s", "a"), 0));
    record_cache_put(c, KEY("a", "s", "a"), 7, some_record(), 10); /* replaces */
    assert_non_null(record_cache_get(c, KEY("a", "s", "a"), 0));
    record_cache_free(&c);
}

static void ids_that_come_back_are_another_tenants_or_of_another_time(void **state)
{
    (void)state;
    struct record_cache *c = record_cache_new(4096);
    record_cache_put(c, KEY("a", "s", "e"), 100, some_record(), 10);
    assert_null(record_cache_get(c, KEY("b", "s", "e"), 0));
    assert_non_null(record_cache_get(c, KEY("a", "s", "e"), 100));
    assert_null(record_cache_get(c, KEY("a", "s", "e"), 101));
    assert_int_equal(record_cache_bytes(c), 0);
    record_cache_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_recently_used_goes_first),
        cmocka_unit_test(ids_that_come_back_are_another_tenants_or_of_another_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
