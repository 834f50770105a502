#include "unit.h"

#include "router/redis_url.h"

#include <stdio.h>

static struct redis_url parse(const char *text)
{
    struct redis_url u;
    struct err err = {0};

    if (redis_url_parse(text, &u, &err) < 0)
        fail_msg("%s: %s", text, err.msg);
    return u;
}

static void good(void **state)
{
    (void)state;
    assert_string_equal(parse("unix:///run/redis.sock").path, "/run/redis.sock");
    assert_string_equal(parse("redis://store").host, "store");
    assert_int_equal(parse("redis://store").port, 6379);
    assert_int_equal(parse("redis://store:7000/3").port, 7000);
    assert_int_equal(parse("redis://store:7000/3").database, 3);
    assert_int_equal(parse("redis://store/").database, 0);
    assert_string_equal(parse("redis://[::1]:7000").host, "::1");
    assert_true(redis_url_is_numeric(&(struct redis_url){.host = "::1"}));
    assert_true(redis_url_is_numeric(&(struct redis_url){.host = "127.0.0.1"}));
    assert_false(redis_url_is_numeric(&(struct redis_url){.host = "localhost"}));
}

static void bad(void **state)
{
    static const char *const TEXTS[] = {
        "",
        "store",
        "http://store",
        "rediss://store",
        "unix://relative",
        "redis://",
        "redis://:6379",
        "redis://u:p@store",
        "redis://store:0",
        "redis://store:65536",
        "redis://store:x",
        "redis://store/x",
        "redis://store/-1",
        "redis://store?db=1",
        "redis://[::1",
        "redis://[::1]x",
        "redis://store:1:2",
    };
    char path[300];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++) {
        struct redis_url u;
        struct err err = {0};
        assert_int_equal(redis_url_parse(TEXTS[i], &u, &err), -ERR_CONFIG);
        assert_true(err.msg[0] != '\0');
    }
    snprintf(path, sizeof(path), "unix:///%0200d", 1);
    assert_int_equal(redis_url_parse(path, &(struct redis_url){0}, NULL), -ERR_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(good), cmocka_unit_test(bad)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
