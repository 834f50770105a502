#include "base/json.h"
#include "gateway/package_index.h"
#include "tests/unit/unit.h"

static const struct package_index PUBLIC = {"https://pypi.example/simple/",
                                            "https://files.example/", "https://npm.example"};
static const struct package_index ONE_HOST = {"http://nexus:8081/repository/py/simple", "",
                                              "http://nexus:8081/repository/npm/"};

static void what_is_configured_is_checked(void **state)
{
    (void)state;
    static const struct package_index GOOD[] = {
        PUBLIC, ONE_HOST, {"", "", ""}, {"https://a/simple", "", ""}, {"", "", "http://[::1]:80/"}};
    static const struct package_index BAD[] = {
        {"index.example/simple", "", ""}, {"ftp://a/", "", ""},        {"https://", "", ""},
        {"https:///simple", "", ""},      {"https://u:p@a/", "", ""},  {"https://a/?x", "", ""},
        {"https://a/ b", "", ""},         {"", "https://files/", ""},  {"", "", "https://a/#b"},
        {"", "", "https://a\"b/"},        {"https://a/", "files", ""}, {"", "", "file:///etc/"},
    };
    struct err err;
    for (size_t i = 0; i < ARRAY_LEN(GOOD); i++)
        assert_int_equal(package_index_check(&GOOD[i], &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++)
        if (package_index_check(&BAD[i], &err) != -ERR_CONFIG)
            fail_msg("taken: %s %s %s", BAD[i].python, BAD[i].files, BAD[i].npm);
}

static void check_url(const struct package_index *i, const char *target, const char *expected)
{
    struct buf url;
    buf_init(&url, 4096);
    bool found = package_index_url(i, slice_of(target), &url);
    if (found != (expected != NULL) || (found && strcmp(buf_text(&url), expected) != 0))
        fail_msg("%s became %s", target, found ? buf_text(&url) : "nothing");
    buf_fini(&url);
}

static void a_sandbox_reaches_these_addresses_and_no_other(void **state)
{
    (void)state;
    check_url(&PUBLIC, "/simple/numpy/", "https://pypi.example/simple/numpy/");
    check_url(&PUBLIC, "/other?a=b/../c", "https://pypi.example/other?a=b/../c");
    check_url(&PUBLIC, "/+files/p/a.whl", "https://files.example/p/a.whl");
    check_url(&PUBLIC, "/+npm/@own%2fright", "https://npm.example/@own%2fright");
    check_url(&ONE_HOST, "/repository/py/a.whl", "http://nexus:8081/repository/py/a.whl");
    check_url(&ONE_HOST, "/+npm/left", "http://nexus:8081/repository/npm/left");
    check_url(&ONE_HOST, "/+files/left", NULL);
    static const char *const NOWHERE[] = {"",
                                          "http://elsewhere/",
                                          "@elsewhere/",
                                          "/a/../b",
                                          "/+npm/../admin",
                                          "/+npm/%2e%2e/admin",
                                          "/a/..",
                                          "/a b",
                                          "/a\r\nHost: b",
                                          "/\xc3\xbc",
                                          ".evil.example/"};
    for (size_t i = 0; i < ARRAY_LEN(NOWHERE); i++) {
        check_url(&PUBLIC, NOWHERE[i], NULL);
        check_url(&ONE_HOST, NOWHERE[i], NULL);
    }
    const struct package_index npm_only = {"", "", "https://npm.example/"};
    check_url(&npm_only, "/simple/numpy/", NULL);
    check_url(&npm_only, "/+npm/left", "https://npm.example/left");
}

static void the_agent_hears_where_the_door_answers(void **state)
{
    (void)state;
    struct json_t *j = package_index_paths(&ONE_HOST);
    assert_string_equal(json_get_text(j, "requirements", ""), "/repository/py/simple/");
    assert_string_equal(json_get_text(j, "npm", ""), "/+npm/");
    json_free(j);
    const struct package_index bare = {"https://pypi.example", "", ""};
    j = package_index_paths(&bare);
    assert_string_equal(json_get_text(j, "requirements", ""), "/");
    assert_null(json_get(j, "npm"));
    json_free(j);
}

/* In pieces of every length. */
static void check_page(const struct package_index *i, const char *page, const char *expected)
{
    size_t len = strlen(page);
    for (size_t step = 1; step <= len; step++) {
        struct package_links links;
        struct buf out;
        package_links_init(&links, i);
        buf_init(&out, 4096);
        for (size_t at = 0; at < len; at += step) {
            size_t rest = len - at < step ? len - at : step;
            package_links_feed(&links, (struct slice){page + at, rest}, false, &out);
        }
        package_links_feed(&links, (struct slice){0}, true, &out);
        if (strcmp(buf_text(&out), expected) != 0)
            fail_msg("in pieces of %zu: %s", step, buf_text(&out));
        buf_fini(&out);
        package_links_fini(&links);
    }
}

static void addresses_in_pages_become_what_the_sandbox_sees(void **state)
{
    (void)state;
    check_page(
        &PUBLIC,
        "<a href=\"https://files.example/p/a.whl#sha256=1\">a</a> <a href=\"../b.whl\">hhttps:"
        "//files.example/",
        "<a href=\"/+files/p/a.whl#sha256=1\">a</a> <a href=\"../b.whl\">h/+files/");
    check_page(&PUBLIC, "{\"tarball\":\"https://npm.example/left/-/left-1.tgz\"}",
               "{\"tarball\":\"/+npm/left/-/left-1.tgz\"}");
    check_page(&PUBLIC, "https://pypi.example/x https://pypi.example.evil/x https://pypi.example",
               "/x https://pypi.example.evil/x https://pypi.example");
    check_page(&ONE_HOST, "http://nexus:8081/repository/npm/a http://nexus:8081/repository/py/b",
               "/+npm/a /repository/py/b");
    check_page(&ONE_HOST, "", "");
    check_page(&ONE_HOST, "http://nexus:8081", "http://nexus:8081");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_configured_is_checked),
        cmocka_unit_test(a_sandbox_reaches_these_addresses_and_no_other),
        cmocka_unit_test(the_agent_hears_where_the_door_answers),
        cmocka_unit_test(addresses_in_pages_become_what_the_sandbox_sees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
