#include "gateway/record_cache.h"

#include "sandbox/result_record.h"
#include "tests/unit/unit.h"

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
    record_cache_put(c, "s", "a", some_record(), 1000);
    record_cache_put(c, "s", "b", some_record(), 1000);
    assert_non_null(record_cache_get(c, "s", "a"));
    record_cache_put(c, "s", "c", some_record(), 1000);
    assert_null(record_cache_get(c, "s", "b"));
    assert_non_null(record_cache_get(c, "s", "a"));
    assert_non_null(record_cache_get(c, "s", "c"));
    assert_null(record_cache_get(c, "t", "a"));
    assert_true(record_cache_bytes(c) <= 4096);
    record_cache_put(c, "s", "huge", some_record(), 5000); /* does not push the others out */
    assert_null(record_cache_get(c, "s", "huge"));
    assert_non_null(record_cache_get(c, "s", "a"));
    record_cache_put(c, "s", "a", some_record(), 10); /* replaces */
    assert_non_null(record_cache_get(c, "s", "a"));
    record_cache_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_recently_used_goes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
