#include "gateway/auth.h"

#include "base/digest.h"
#include "http/http_message.h"
#include "tests/unit/unit.h"

#include <stdio.h>

static struct auth *two_tenants(struct err *err)
{
    char a[DIGEST_HEX], b[DIGEST_HEX], text[512];
    digest_sha256_hex(slice_of("key-a"), a);
    digest_sha256_hex(slice_of("key-b"), b);
    int len = snprintf(text, sizeof(text), "# keys\n\nacme %s\r\n  zoo\t%s  \n", a, b);
    return auth_parse((struct slice){text, (size_t)len}, "keys", err);
}

static const char *ask(const struct auth *a, const char *name, const char *value, struct err *err)
{
    const struct http_header field = {slice_of(name), slice_of(value)};
    const struct http_head head = {.headers = &field, .header_count = 1};
    return auth_tenant(a, &head, err);
}

static void a_key_names_its_tenant(void **state)
{
    (void)state;
    struct err err;
    struct auth *a = two_tenants(&err);
    assert_non_null(a);
    assert_string_equal(ask(a, "Authorization", "Bearer key-a", &err), "acme");
    assert_string_equal(ask(a, "X-API-Key", "key-b", &err), "zoo");
    assert_null(ask(a, "X-API-Key", "key-c", &err));
    assert_int_equal(err.code, ERR_UNAUTHORIZED);
    assert_null(ask(a, "X-API-Key", "", &err));
    assert_null(ask(a, "Authorization", "Basic key-a", &err));
    auth_free(&a);
}

static void bad_files_are_told_with_their_line(void **state)
{
    (void)state;
    struct err err;
    assert_null(auth_parse(slice_of("# nothing\n"), "keys", &err));
    assert_null(auth_parse(slice_of("acme key\n"), "keys", &err));
    assert_non_null(strstr(err.msg, "keys:1"));
    assert_null(auth_parse(slice_of("acme\n"), "keys", &err));
}

static void without_keys_everybody_is_the_default_tenant(void **state)
{
    (void)state;
    struct err err;
    struct auth *a = auth_new_open();
    assert_string_equal(ask(a, "X-API-Key", "whatever", &err), AUTH_DEFAULT_TENANT);
    auth_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_names_its_tenant),
        cmocka_unit_test(bad_files_are_told_with_their_line),
        cmocka_unit_test(without_keys_everybody_is_the_default_tenant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
