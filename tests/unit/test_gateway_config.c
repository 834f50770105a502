#include "gateway/gateway_config.h"

#include "tests/unit/unit.h"

static struct config *read_with(const char *const *extra, size_t count, struct gateway_config *out,
                                struct err *err)
{
    char *argv[32] = {(char *)"spillway-gateway", (char *)"--site_key_file=/k",
                      (char *)"--environments_file=/e",
                      (char *)"--kubernetes.url=http://127.0.0.1:1"};
    int argc = 4;
    for (size_t i = 0; i < count; i++)
        argv[argc++] = (char *)extra[i];
    return gateway_config_read(argc, argv, out, err);
}

static void the_defaults_are_accepted(void **state)
{
    (void)state;
    struct gateway_config c;
    struct err err;
    struct config *owner = read_with(NULL, 0, &c, &err);
    assert_non_null(owner);
    assert_int_equal(c.auth, GATEWAY_AUTH_NONE);
    assert_int_equal(c.limits.execution_ms, 10000);
    assert_int_equal(c.limits.session_max_ms, 86400000);
    assert_int_equal(c.limits.code_bytes, 1 << 20);
    assert_int_equal(c.redis_timeout_ms, 200);
    assert_string_equal(c.kube_namespace, "sandboxes");
    config_free(&owner);
}

static void without_keys_nobody_outside_is_served(void **state)
{
    (void)state;
    struct gateway_config c;
    struct err err;
    const char *open[] = {"--listen=0.0.0.0:80"};
    assert_null(read_with(open, 1, &c, &err));
    assert_non_null(strstr(err.msg, "0.0.0.0:80"));
    const char *wanted[] = {"--listen=0.0.0.0:80", "--auth.mode=none"};
    struct config *owner = read_with(wanted, 2, &c, &err);
    assert_non_null(owner);
    config_free(&owner);
    const char *keys[] = {"--listen=0.0.0.0:80", "--auth.keys_file=/keys"};
    owner = read_with(keys, 2, &c, &err);
    assert_non_null(owner);
    assert_int_equal(c.auth, GATEWAY_AUTH_KEYS);
    config_free(&owner);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    static const char *const WRONG[] = {
        "--auth.mode=keys",
        "--auth.mode=maybe",
        "--log_level=loud",
        "--site=Local",
        "--name=a b",
        "--limits.execution=10",
        "--limits.execution=301s",
        "--limits.session=25h",
        "--colour=red",
        "--limits.wait_max=31s",
        "--limits.create_body=1Mi",
        "--kubernetes.url=",
    };
    for (size_t i = 0; i < ARRAY_LEN(WRONG); i++) {
        struct gateway_config c;
        struct err err;
        struct config *owner = read_with(&WRONG[i], 1, &c, &err);
        if (owner)
            fail_msg("accepted: %s", WRONG[i]);
    }
}

static void loopback(void **state)
{
    (void)state;
    assert_true(gateway_config_is_loopback("127.0.0.1:80"));
    assert_true(gateway_config_is_loopback("[::1]:80"));
    assert_true(gateway_config_is_loopback("unix:/run/x"));
    assert_false(gateway_config_is_loopback("0.0.0.0:80"));
    assert_false(gateway_config_is_loopback("10.0.0.1:80"));
    assert_false(gateway_config_is_loopback("[::]:80"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_defaults_are_accepted),
        cmocka_unit_test(without_keys_nobody_outside_is_served),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(loopback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
