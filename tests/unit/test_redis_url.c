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
    assert_string_equal(parse("redis://store").at.host, "store");
    assert_int_equal(parse("redis://store").at.port, 6379);
    assert_int_equal(parse("redis://store:7000/3").at.port, 7000);
    assert_int_equal(parse("redis://store:7000/3").database, 3);
    assert_int_equal(parse("redis://store/").database, 0);
    assert_string_equal(parse("redis://[::1]:7000").at.host, "::1");
    assert_int_equal(parse("redis://store").sentinel_count, 0);
    assert_string_equal(parse("redis://store").user, "");
    assert_string_equal(parse("redis://spill-way@store:7000/3").user, "spill-way");
    assert_string_equal(parse("redis://spill-way@store:7000/3").at.host, "store");
    assert_true(redis_url_is_direct(&(struct redis_url){.at.host = "::1"}));
    assert_true(redis_url_is_direct(&(struct redis_url){.at.host = "127.0.0.1"}));
    assert_true(redis_url_is_direct(&(struct redis_url){.path = "/s"}));
    assert_false(redis_url_is_direct(&(struct redis_url){.at.host = "localhost"}));
}

static void sentinels(void **state)
{
    struct redis_url u = parse("redis+sentinel://u@a,[::1]:7,c:1/main/2");
    char text[REDIS_PLACE_TEXT];

    (void)state;
    assert_string_equal(u.user, "u");
    assert_string_equal(u.master, "main");
    assert_int_equal(u.database, 2);
    assert_string_equal(u.at.host, "");
    assert_int_equal(u.sentinel_count, 3);
    assert_string_equal(redis_place_text(&u.sentinels[0], text), "a:26379");
    assert_string_equal(redis_place_text(&u.sentinels[1], text), "[::1]:7");
    assert_string_equal(redis_place_text(&u.sentinels[2], text), "c:1");
    assert_true(redis_place_eq(&u.sentinels[2], &(struct redis_place){"c", 1}));
    assert_false(redis_place_eq(&u.sentinels[2], &(struct redis_place){"c", 2}));
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
        "redis+sentinel://",
        "redis+sentinel://a",
        "redis+sentinel://a/",
        "redis+sentinel:///main",
        "redis+sentinel://,/main",
        "redis+sentinel://a:0/main",
        "redis+sentinel://a/main/x",
        "redis+sentinel://u:p@a/main",
        "redis://@store",
        "redis://a@b@store",
        "redis://a%20b@store",
        "redis://0123456789012345678901234567890123456789012345678901234567890123@store",
        "redis+sentinel://1,2,3,4,5,6,7,8,9/main",
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(good), cmocka_unit_test(sentinels),
                                       cmocka_unit_test(bad)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
