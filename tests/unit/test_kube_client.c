#include "unit.h"

#include "base/json.h"
#include "clusters/kube_client.h"
#include "http/http_call.h"
#include "kube_peer.h"
#include "loop_wait.h"

static struct kube_peer peer;
static struct loop *loop;
static struct http_caller *caller;
static struct kube_client *client;
static struct kube_peer_answer answer;
static char asked[8192];

static void serve(const char *method, const char *target, const char *body,
                  struct kube_peer_answer *out, void *user)
{
    (void)user;
    snprintf(asked, sizeof(asked), "%s %s %s", method, target, body);
    *out = answer;
}

struct seen {
    int count;
    int status;
    enum err_code code;
    bool unknown;
    int64_t retry_after_s;
    char name[64];
    char msg[400];
};

static void see(const struct kube_result *r, void *user)
{
    struct seen *s = user;

    s->count++;
    s->status = r->status;
    s->code = r->err ? r->err->code : ERR_NONE;
    s->unknown = r->outcome_unknown;
    s->retry_after_s = r->retry_after_s;
    snprintf(s->name, sizeof(s->name), "%s",
             json_get_text(json_get(r->object, "metadata"), "name", ""));
    snprintf(s->msg, sizeof(s->msg), "%s", r->err ? r->err->msg : "");
}

static bool is_seen(void *user)
{
    return ((struct seen *)user)->count > 0;
}

static void wait_for(struct seen *s)
{
    assert_int_equal(s->count, 0); /* never before the call returned */
    assert_true(loop_wait_until(loop, is_seen, s, 5000));
    assert_int_equal(s->count, 1);
}

static struct seen create(int status, const char *body, enum kube_peer_end end)
{
    struct seen s = {0};
    struct json_t *pod = json_build("{s:s}", "kind", "Pod");

    answer = (struct kube_peer_answer){.status = status, .end = end};
    snprintf(answer.body, sizeof(answer.body), "%s", body);
    snprintf(answer.fields, sizeof(answer.fields), "Retry-After: 3\r\n");
    kube_pod_create(client, pod, see, &s);
    json_free(pod);
    wait_for(&s);
    return s;
}

static int set_up(void **state)
{
    struct err err = {0};

    (void)state;
    loop = loop_new();
    caller = http_caller_new(loop);
    if (!kube_peer_init(&peer, 0, serve, NULL))
        return -1;
    struct kube_client_conf conf = {.url = peer.url, .namespace_name = "boxes", .call_ms = 300};
    client = kube_client_new(loop, caller, &conf, &err);
    return client ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    kube_client_free(&client);
    http_caller_free(&caller);
    loop_free(&loop);
    kube_peer_fini(&peer);
    return 0;
}

static void the_verbs(void **state)
{
    struct seen s = create(201, "{\"metadata\":{\"name\":\"a\"}}", KUBE_PEER_WHOLE);
    struct json_t *patch = json_build("{s:{s:s}}", "metadata", "x", "y");

    (void)state;
    assert_int_equal(s.code, ERR_NONE);
    assert_int_equal(s.status, 201);
    assert_string_equal(s.name, "a");
    assert_string_equal(asked, "POST /api/v1/namespaces/boxes/pods {\"kind\":\"Pod\"}");
    assert_string_equal(kube_client_namespace(client), "boxes");

    s = (struct seen){0};
    kube_pod_get(client, "a/../b", see, &s);
    wait_for(&s);
    assert_string_equal(asked, "GET /api/v1/namespaces/boxes/pods/a%2F..%2Fb ");
    s = (struct seen){0};
    kube_pod_delete(client, "a", "u-1", NULL, 2, see, &s);
    wait_for(&s);
    assert_non_null(strstr(asked, "DELETE /api/v1/namespaces/boxes/pods/a {"));
    assert_non_null(strstr(asked, "\"preconditions\":{\"uid\":\"u-1\"}"));
    assert_non_null(strstr(asked, "\"gracePeriodSeconds\":2"));
    s = (struct seen){0};
    kube_pod_delete(client, "a", "u-1", "17", 2, see, &s);
    wait_for(&s);
    assert_non_null(
        strstr(asked, "\"preconditions\":{\"uid\":\"u-1\",\"resourceVersion\":\"17\"}"));
    s = (struct seen){0};
    kube_pod_patch(client, "a", patch, 0, see, &s);
    wait_for(&s);
    assert_string_equal(asked,
                        "PATCH /api/v1/namespaces/boxes/pods/a {\"metadata\":{\"x\":\"y\"}}");
    json_free(patch);
}

static void what_answers_mean(void **state)
{
    static const struct {
        int status;
        const char *message;
        enum err_code code;
        bool unknown;
    } ROWS[] = {
        {400, "", ERR_INVALID_ARGUMENT, false},
        {401, "", ERR_FORBIDDEN, false},
        {403, "pods is forbidden: User x cannot create", ERR_FORBIDDEN, false},
        {403, "pods \\\"s\\\" is forbidden: pod rejected: RuntimeClass \\\"x\\\" not found",
         ERR_UNKNOWN_RUNTIME_CLASS, false},
        {403, "pods \\\"a\\\" is forbidden: exceeded quota: q, requested: pods=1",
         ERR_CAPACITY_FULL, false},
        {404, "", ERR_NOT_FOUND, false},
        {409, "object is being deleted: already exists", ERR_CONFLICT, false},
        {410, "", ERR_GONE, false},
        {418, "", ERR_KUBERNETES, false},
        {422, "invalid", ERR_INVALID_ARGUMENT, false},
        {429, "", ERR_OVERLOADED, false},
        {500, "", ERR_UNAVAILABLE, true},
        {503, "", ERR_UNAVAILABLE, false},
        {504, "", ERR_UNAVAILABLE, true},
    };
    char body[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        snprintf(body, sizeof(body), "{\"kind\":\"Status\",\"message\":\"%s\"}", ROWS[i].message);
        struct seen s = create(ROWS[i].status, body, KUBE_PEER_WHOLE);
        assert_int_equal(s.status, ROWS[i].status);
        assert_int_equal(s.code, ROWS[i].code);
        assert_int_equal(s.unknown, ROWS[i].unknown);
        assert_int_equal(s.retry_after_s, 3);
    }
    assert_int_equal(create(500, "<html>", KUBE_PEER_WHOLE).code, ERR_UNAVAILABLE);
}

static void no_answer(void **state)
{
    struct seen s = create(201, "", KUBE_PEER_WHOLE);

    (void)state;
    assert_int_equal(s.code, ERR_UNAVAILABLE);
    assert_true(s.unknown); /* created, they say, but what? */
    s = create(201, "{\"metadata\":", KUBE_PEER_CUT);
    assert_int_equal(s.code, ERR_UNAVAILABLE);
    assert_true(s.unknown);
    s = create(201, "", KUBE_PEER_MUTE);
    assert_int_equal(s.code, ERR_UNAVAILABLE);
    assert_true(s.unknown);
    s = (struct seen){0};
    kube_pod_get(client, "a", see, &s);
    wait_for(&s);
    assert_false(s.unknown); /* a GET changes nothing */
}

static void nobody_there(void **state)
{
    struct seen s = {0};
    int port = peer.port;

    (void)state;
    kube_peer_fini(&peer);
    kube_pod_delete(client, "a", "u", NULL, 2, see, &s);
    wait_for(&s);
    assert_int_equal(s.code, ERR_UNAVAILABLE);
    assert_false(s.unknown);
    assert_true(kube_peer_init(&peer, port, serve, NULL));
}

static void cancelled(void **state)
{
    struct seen s = {0};

    (void)state;
    answer = (struct kube_peer_answer){.end = KUBE_PEER_MUTE};
    struct kube_call *c = kube_pod_get(client, "a", see, &s);
    kube_call_cancel(&c);
    assert_null(c);
    c = kube_pod_get(client, "a", see, &s);
    loop_wait_for(loop, 50);
    kube_call_cancel(&c);
    kube_pod_get(client, "a", see, &s); /* goes with the client */
    loop_wait_for(loop, 20);
    kube_client_free(&client);
    loop_wait_for(loop, 400);
    assert_int_equal(s.count, 0);
}

static void too_large_to_send(void **state)
{
    struct seen s = {0};
    struct json_t *pod = json_new_object();
    char *text = malloc((2 << 20) + 1);

    (void)state;
    memset(text, 'x', 2 << 20);
    text[2 << 20] = '\0';
    json_set_text(pod, "x", text);
    kube_pod_create(client, pod, see, &s);
    wait_for(&s);
    assert_int_equal(s.code, ERR_LIMIT_EXCEEDED);
    struct kube_call *c = kube_pod_create(client, pod, see, &s);
    kube_call_cancel(&c);
    loop_wait_for(loop, 20);
    assert_int_equal(s.count, 1);
    json_free(pod);
    free(text);
}

static void bad_configuration(void **state)
{
    static const struct kube_client_conf CONFS[] = {
        {.url = "ftp://x"}, {.url = NULL}, {.kubeconfig = "/nonexistent"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CONFS); i++) {
        struct err err = {0};
        assert_null(kube_client_new(loop, caller, &CONFS[i], &err));
        assert_true(err.msg[0] != '\0');
    }
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_verbs), TEST(what_answers_mean), TEST(no_answer),         TEST(nobody_there),
        TEST(cancelled), TEST(too_large_to_send), TEST(bad_configuration),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
