#include "unit.h"

#include "base/buf.h"
#include "http/http_dispatch.h"

static const struct http_route ROUTES[] = {
    {HTTP_METHOD_GET, "/api/v1/sessions", NULL, "list", ""},
    {HTTP_METHOD_POST, "/api/v1/sessions", NULL, "create", ""},
    {HTTP_METHOD_GET, "/api/v1/sessions/{id}", NULL, "status", ""},
    {HTTP_METHOD_GET, "/healthz", NULL, "healthz", ""},
    {HTTP_METHOD_POST, "/{id}", NULL, "create_short", ""},
    {HTTP_METHOD_POST, "/{id}/exec/{language}", NULL, "exec", ""},
    {HTTP_METHOD_GET, "/{id}/files/download/{name...}", NULL, "download", ""},
    {HTTP_METHOD_GET, "/", NULL, "root", ""},
};

static struct http_routes routes = HTTP_ROUTES(ROUTES);
static struct http_route_match match;
static char allowed[128];
static struct err err;

static int find(enum http_method method, const char *path)
{
    struct buf allow;
    buf_init(&allow, sizeof(allowed) - 1);
    memset(&match, 0, sizeof(match));
    int rc = http_dispatch_find(&routes, method, slice_of(path), &match, &allow, &err);
    strcpy(allowed, buf_text(&allow));
    buf_fini(&allow);
    return rc;
}

static void finds(void **state)
{
    (void)state;
    assert_int_equal(find(HTTP_METHOD_GET, "/api/v1/sessions"), 0);
    assert_string_equal(match.route->name, "list");
    assert_int_equal(find(HTTP_METHOD_HEAD, "/api/v1/sessions"), 0);
    assert_string_equal(match.route->name, "list");
    assert_int_equal(find(HTTP_METHOD_POST, "/abc/exec/python"), 0);
    assert_string_equal(match.route->name, "exec");
    assert_true(slice_eq(match.params[0], "abc"));
    assert_true(slice_eq(match.params[1], "python"));
    assert_int_equal(find(HTTP_METHOD_GET, "/abc/files/download/a/b%2f../c"), 0);
    assert_true(slice_eq(match.params[1], "a/b%2f../c"));
    assert_int_equal(find(HTTP_METHOD_GET, "/"), 0);
}

static void literal_wins(void **state)
{
    (void)state;
    assert_int_equal(find(HTTP_METHOD_POST, "/healthz"), -(int)ERR_METHOD_NOT_ALLOWED);
    assert_string_equal(allowed, "GET, HEAD");
    assert_int_equal(find(HTTP_METHOD_POST, "/healthy"), 0);
    assert_string_equal(match.route->name, "create_short");
}

static void says_what_is_allowed(void **state)
{
    (void)state;
    assert_int_equal(find(HTTP_METHOD_DELETE, "/api/v1/sessions"), -(int)ERR_METHOD_NOT_ALLOWED);
    assert_string_equal(allowed, "GET, HEAD, POST");
    assert_int_equal(find(HTTP_METHOD_OTHER, "/abc"), -(int)ERR_METHOD_NOT_ALLOWED);
    assert_string_equal(allowed, "POST");
}

static void knows_nothing_else(void **state)
{
    static const char *const paths[] = {"/api",      "/api/v1/sessions/",    "/a/b/c/d/e",
                                        "/abc/exec", "/abc/files/download/", "/abc/files/download",
                                        "//"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        int rc = find(HTTP_METHOD_GET, paths[i]);
        if (rc != -(int)ERR_NOT_FOUND && rc != -(int)ERR_BAD_REQUEST &&
            rc != -(int)ERR_METHOD_NOT_ALLOWED)
            fail_msg("%s: %d", paths[i], rc);
    }
}

static void refuses_segments_that_could_be_read_twice(void **state)
{
    static const char *const paths[] = {"/a%2fb",
                                        "/..",
                                        "/.",
                                        "/a;b",
                                        "/a\\b",
                                        "/%61",
                                        "/../exec/python",
                                        "/a/exec/%70ython",
                                        "//exec/python",
                                        "/a/exec/.."};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        if (find(HTTP_METHOD_POST, paths[i]) != -(int)ERR_BAD_REQUEST)
            fail_msg("%s was not refused", paths[i]);
    }
    assert_int_equal(find(HTTP_METHOD_GET, ""), -(int)ERR_BAD_REQUEST);
    assert_int_equal(find(HTTP_METHOD_GET, "/api/v1/sessions/.."), -(int)ERR_BAD_REQUEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds),
        cmocka_unit_test(literal_wins),
        cmocka_unit_test(says_what_is_allowed),
        cmocka_unit_test(knows_nothing_else),
        cmocka_unit_test(refuses_segments_that_could_be_read_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
