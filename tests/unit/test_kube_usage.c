/* The poller, libcurl and the loop against a scripted metrics API. */
#include "unit.h"

#include "clusters/kube_client.h"
#include "clusters/kube_object.h"
#include "clusters/kube_usage.h"
#include "http/http_call.h"
#include "kube_peer.h"
#include "loop_wait.h"

#define PATH "/apis/metrics.k8s.io/v1beta1/nodes"

static struct kube_peer peer;
static struct loop *loop;
static struct http_caller *caller;
static struct kube_client *client;
static struct kube_usage *usage;
static int changes;

static struct {
    int status;
    enum kube_peer_end end;
    bool garbage;
    int64_t wall_ms; /* of the measurement */
} script;

static void serve(const char *method, const char *target, const char *body,
                  struct kube_peer_answer *out, void *user)
{
    char time[32];

    (void)body;
    (void)user;
    kube_time_print(script.wall_ms, time);
    out->status = strcmp(method, "GET") == 0 && strcmp(target, PATH) == 0 ? script.status : 400;
    out->end = script.end;
    if (script.garbage)
        snprintf(out->body, sizeof(out->body), "{\"items\":[{\"metadata\":{\"name\":");
    else
        snprintf(
            out->body, sizeof(out->body),
            "{\"items\":[{\"metadata\":{\"name\":\"n\"},\"timestamp\":\"%s\",\"window\":\"15s\","
            "\"usage\":{\"cpu\":\"250m\",\"memory\":\"64Mi\"}}]}",
            time);
}

static void count(void *user)
{
    (void)user;
    changes++;
}

static void say(int status, enum kube_peer_end end, bool garbage)
{
    pthread_mutex_lock(&peer.lock);
    script.status = status;
    script.end = end;
    script.garbage = garbage;
    script.wall_ms = world_wall_ms(loop_world(loop));
    pthread_mutex_unlock(&peer.lock);
}

static int start(void **state)
{
    struct err err = {0};

    (void)state;
    if (!kube_peer_init(&peer, 0, serve, NULL))
        return -1;
    loop = loop_new();
    caller = http_caller_new(loop);
    client = kube_client_new(
        loop, caller, &(struct kube_client_conf){.url = peer.url, .namespace_name = "x"}, &err);
    say(200, KUBE_PEER_WHOLE, false);
    changes = 0;
    usage = kube_usage_new(client, &(struct kube_usage_conf){.interval_ms = 60, .call_ms = 300},
                           count, NULL);
    assert_int_equal(changes, 0);
    return client ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    kube_usage_free(&usage);
    kube_client_free(&client);
    http_caller_free(&caller);
    loop_free(&loop);
    kube_peer_fini(&peer);
    return 0;
}

static bool has_changed(void *user)
{
    return changes >= *(int *)user;
}

static void wait_changes(int more)
{
    int target = changes + more;

    assert_true(loop_wait_until(loop, has_changed, &target, 20000));
}

static bool says(void *user)
{
    return strstr(kube_usage_error(usage), user) != NULL;
}

static void expect_error(const char *text)
{
    assert_true(loop_wait_until(loop, says, (void *)(uintptr_t)text, 20000));
}

static void polls(void **state)
{
    int64_t age_ms = -1;

    (void)state;
    assert_null(kube_usage_get(usage, "n", &age_ms));
    wait_changes(1);
    const struct kube_usage_sample *s = kube_usage_get(usage, "n", &age_ms);
    assert_non_null(s);
    assert_int_equal(s->millicpu, 250);
    assert_true(age_ms >= 0 && age_ms < 20000);
    assert_int_equal(kube_usage_stamp(usage), 1);
    assert_string_equal(kube_usage_error(usage), "");
    wait_changes(2);
    assert_int_equal(kube_usage_stamp(usage), 1); /* the same measurement again */
    say(200, KUBE_PEER_WHOLE, false);
    pthread_mutex_lock(&peer.lock);
    script.wall_ms += 5000;
    pthread_mutex_unlock(&peer.lock);
    wait_changes(2);
    assert_int_equal(kube_usage_stamp(usage), 2);
}

/* Whatever it says: the reason can be read, and it is asked again. */
static void trouble(void **state)
{
    int64_t age_ms;

    (void)state;
    wait_changes(1);
    say(404, KUBE_PEER_WHOLE, false);
    expect_error("404");
    say(503, KUBE_PEER_WHOLE, false);
    expect_error("503");
    say(200, KUBE_PEER_WHOLE, true);
    wait_changes(2);
    assert_true(strlen(kube_usage_error(usage)) > 0);
    say(200, KUBE_PEER_MUTE, false); /* its own deadline ends it */
    wait_changes(2);
    assert_true(strlen(kube_usage_error(usage)) > 0);
    say(200, KUBE_PEER_CUT, false);
    wait_changes(2);
    assert_true(strlen(kube_usage_error(usage)) > 0);
    assert_non_null(kube_usage_get(usage, "n", &age_ms)); /* what was measured stays fresh */
    say(200, KUBE_PEER_WHOLE, false);
    wait_changes(3);
    assert_string_equal(kube_usage_error(usage), "");
}

static void freed_while_asking(void **state)
{
    int before;

    (void)state;
    say(200, KUBE_PEER_MUTE, false);
    loop_wait_for(loop, 150);
    kube_usage_free(&usage);
    before = changes;
    loop_wait_for(loop, 100);
    assert_int_equal(changes, before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(polls), TEST(trouble), TEST(freed_while_asking)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
