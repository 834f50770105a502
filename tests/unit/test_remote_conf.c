#include "unit.h"

#include "router/remote_conf.h"

#define ROW(...)                                                                                   \
    &(struct config_map)                                                                           \
    {                                                                                              \
        .keys = (const char *[]){"name", "url", "token_file", "x", "y"},                           \
        .values = (const char *[]){__VA_ARGS__}, .count = 3                                        \
    }

static void defaults(void **state)
{
    struct remote_conf c;
    struct err err;
    (void)state;
    assert_int_equal(remote_conf_parse(&c, ROW("cloud", "https://a:1", "/t"), &err), 0);
    assert_string_equal(c.name, "cloud");
    assert_int_equal(c.priority, 0);
    assert_int_equal(c.weight, 1);
    assert_int_equal(c.max_sessions, 0);
    assert_null(c.ca_file);
}

static void refused(const char *says, const struct config_map *row)
{
    struct remote_conf c;
    struct err err;
    assert_int_equal(remote_conf_parse(&c, row, &err), -ERR_CONFIG);
    if (!strstr(err.msg, says))
        fail_msg("'%s' does not say '%s'", err.msg, says);
}

static void what_is_wrong_is_named(void **state)
{
    const char *keys[] = {"name", "url", "token_file", "weight"};
    (void)state;
    refused("DNS label", ROW("Cloud", "https://a", "/t"));
    refused("word of placement", ROW("auto", "https://a", "/t"));
    refused("https://", ROW("cloud", "http://10.0.0.1:1", "/t"));
    refused("url:", ROW("cloud", "https://a/?x", "/t"));
    refused("whole number from 0",
            &(struct config_map){keys, (const char *[]){"c", "https://a", "/t", "-1"}, 4});
    refused("whole number",
            &(struct config_map){keys, (const char *[]){"c", "https://a", "/t", "1x"}, 4});
    keys[3] = "colour";
    refused("unknown key 'colour'",
            &(struct config_map){keys, (const char *[]){"c", "https://a", "/t", "1"}, 4});
    keys[3] = "key_file";
    refused("go together",
            &(struct config_map){keys, (const char *[]){"c", "https://a", "/t", "k"}, 4});
    refused("token_file", &(struct config_map){keys, (const char *[]){"c", "https://a"}, 2});
}

static void this_machine_needs_no_tls(void **state)
{
    struct remote_conf c;
    struct err err;
    (void)state;
    assert_int_equal(remote_conf_parse(&c, ROW("c", "http://127.0.0.1:1", "/t"), &err), 0);
    assert_int_equal(remote_conf_parse(&c, ROW("c", "http://[::1]:1", "/t"), &err), 0);
}

static void tokens(void **state)
{
    struct remote_conf c;
    struct err err;
    (void)state;
    assert_int_equal(remote_conf_set_token(&c, slice_of("0123456789abcdef"), &err), 0);
    assert_string_equal(c.token, "0123456789abcdef");
    assert_int_equal(remote_conf_set_token(&c, slice_of("short"), &err), -ERR_CONFIG);
    assert_int_equal(remote_conf_set_token(&c, slice_of("0123456789abc\r\ndef"), &err),
                     -ERR_CONFIG);
    assert_int_equal(remote_conf_set_token(&c, slice_of("0123456789abc def"), &err), -ERR_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(this_machine_needs_no_tls),
        cmocka_unit_test(tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
