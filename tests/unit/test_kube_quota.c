/* Quotas read, and asked for over a scripted server. */
#include "unit.h"

#include "base/json.h"
#include "clusters/kube_client.h"
#include "clusters/kube_quota.h"
#include "http/http_call.h"
#include "kube_peer.h"
#include "loop_wait.h"

static struct kube_resources hard;

static void read_text(const char *text)
{
    struct err err = {0};
    struct json_t *list = json_parse(slice_of(text), &err);

    assert_non_null(list);
    kube_quota_read(list, &hard);
    json_free(list);
}

static void expect(int64_t millicpu, int64_t memory, int64_t disk, int64_t pods)
{
    assert_int_equal(hard.millicpu, millicpu);
    assert_int_equal(hard.memory_bytes, memory);
    assert_int_equal(hard.ephemeral_bytes, disk);
    assert_int_equal(hard.pods, pods);
}

#define QUOTA(scopes, limits) "{\"spec\":{" scopes "\"hard\":{" limits "}}}"
#define LIST(items)           "{\"items\":[" items "]}"

static void the_least_of_all_counts(void **state)
{
    (void)state;
    read_text(LIST(""));
    expect(INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX);
    read_text(
        LIST(QUOTA("", "\"pods\":\"10\",\"requests.cpu\":\"2\",\"limits.cpu\":\"1500m\"") "," QUOTA(
            "", "\"count/pods\":\"7\",\"memory\":\"4Gi\",\"limits.memory\":\"5Gi\","
                "\"requests.ephemeral-storage\":\"1Ki\",\"services\":\"1\"")));
    expect(1500, (int64_t)4 << 30, 1024, 7);
}

static void only_those_that_count_sandboxes(void **state)
{
    (void)state;
    read_text(LIST(QUOTA("\"scopes\":[\"NotTerminating\"],", "\"pods\":\"1\"") "," QUOTA(
        "\"scopes\":[\"BestEffort\"],",
        "\"pods\":\"2\"") "," QUOTA("\"scopeSelector\":{},",
                                    "\"pods\":\"3\"") "," QUOTA("\"scopes\":[\"Terminating\","
                                                                "\"NotBestEffort\"],",
                                                                "\"pods\":\"9\"")));
    expect(INT64_MAX, INT64_MAX, INT64_MAX, 9);
}

static void what_cannot_be_read_limits_nothing(void **state)
{
    static const char *const TEXTS[] = {
        "[]",
        "{}",
        "{\"items\":{}}",
        LIST("1,null,{},{\"spec\":[]}"),
        LIST(QUOTA("", "\"pods\":\"-1\",\"cpu\":\"NaN\",\"memory\":5,\"limits.cpu\":null")),
        LIST(QUOTA("\"scopes\":[1],", "\"pods\":\"1\""))};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++) {
        read_text(TEXTS[i]);
        expect(INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX);
    }
}

/* -- asking -- */

static int status;

static void serve(const char *method, const char *target, const char *body,
                  struct kube_peer_answer *out, void *user)
{
    (void)method;
    (void)body;
    (void)user;
    out->status = strcmp(target, "/api/v1/namespaces/x/resourcequotas") == 0 ? status : 400;
    snprintf(out->body, sizeof(out->body), "%s", LIST(QUOTA("", "\"pods\":\"5\"")));
}

static void set_status(struct kube_peer *p, int to)
{
    pthread_mutex_lock(&p->lock);
    status = to;
    pthread_mutex_unlock(&p->lock);
}

static bool allows_five(void *user)
{
    return kube_quota_hard(user)->pods == 5;
}

static bool allows_all(void *user)
{
    return kube_quota_hard(user)->pods == INT64_MAX;
}

static void asks_again(void **state)
{
    struct kube_peer peer;
    struct err err = {0};

    (void)state;
    status = 200;
    assert_true(kube_peer_init(&peer, 0, serve, NULL));
    struct loop *loop = loop_new();
    struct http_caller *caller = http_caller_new(loop);
    struct kube_client *client = kube_client_new(
        loop, caller, &(struct kube_client_conf){.url = peer.url, .namespace_name = "x"}, &err);
    assert_non_null(client);
    struct kube_quota *q = kube_quota_new(client, 50);
    assert_true(allows_all(q));
    assert_true(loop_wait_until(loop, allows_five, q, 20000));
    set_status(&peer, 500); /* trouble: what was known stays */
    loop_wait_for(loop, 200);
    assert_true(allows_five(q));
    set_status(&peer, 403);
    assert_true(loop_wait_until(loop, allows_all, q, 20000));
    kube_quota_free(&q);
    kube_client_free(&client);
    http_caller_free(&caller);
    loop_free(&loop);
    kube_peer_fini(&peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_of_all_counts),
        cmocka_unit_test(only_those_that_count_sandboxes),
        cmocka_unit_test(what_cannot_be_read_limits_nothing),
        cmocka_unit_test(asks_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
