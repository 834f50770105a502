/* The store, both watches, libcurl and the loop against a scripted server. */
#include "unit.h"

#include "base/json.h"
#include "clusters/kube_client.h"
#include "clusters/kube_store.h"
#include "http/http_call.h"
#include "kube_peer.h"
#include "loop_wait.h"

#define POD(name, uid, version, more)                                                              \
    "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"boxes\",\"uid\":\"" uid                  \
    "\",\"resourceVersion\":\"" version "\",\"labels\":{\"spillway.dev/session\":\"" name          \
    "\"}}" more "}"
#define RUNNING           ",\"status\":{\"phase\":\"Running\",\"podIP\":\"10.0.0.1\"}"
#define SUCCEEDED         ",\"status\":{\"phase\":\"Succeeded\"}"
#define EVENT(type, what) "{\"type\":\"" type "\",\"object\":" what "}\n"
#define BOOKMARK(version) EVENT("BOOKMARK", "{\"metadata\":{\"resourceVersion\":\"" version "\"}}")
#define END_OF_LIST(version)                                                                       \
    EVENT("BOOKMARK", "{\"metadata\":{\"resourceVersion\":\"" version                              \
                      "\",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}}}")
#define LIST(version, items)                                                                       \
    "{\"metadata\":{\"resourceVersion\":\"" version "\"},\"items\":[" items "]}"
#define NODE                                                                                       \
    "{\"metadata\":{\"name\":\"n1\",\"uid\":\"n\",\"resourceVersion\":\"1\"},\"status\":{"         \
    "\"allocatable\":{\"cpu\":\"4\",\"memory\":\"4Gi\",\"pods\":\"10\"},\"conditions\":[{"         \
    "\"type\":\"Ready\",\"status\":\"True\"}]}}"

/* What the server says of pods: lists and watches in turn, the last of each for ever. Nodes come as
 * a stream, pods by pages. */
struct script {
    struct kube_peer_answer lists[4];
    struct kube_peer_answer watches[4];
    int list_count, watch_count;
    int lists_given, watches_given;
    char last_watch[1024]; /* target */
};

static struct script script;
static struct kube_peer peer;
static struct loop *loop;
static struct http_caller *caller;
static struct kube_client *client;
static struct kube_store *store;
static char heard[4096];

static void set(struct kube_peer_answer *a, int status, const char *body, enum kube_peer_end end,
                size_t step)
{
    *a = (struct kube_peer_answer){.status = status, .end = end, .step = step};
    snprintf(a->body, sizeof(a->body), "%s", body);
}

static void say_list(int status, const char *body)
{
    set(&script.lists[script.list_count++], status, body, KUBE_PEER_WHOLE, 0);
}

static void say_watch(int status, const char *body, enum kube_peer_end end, size_t step)
{
    set(&script.watches[script.watch_count++], status, body, end, step);
}

static const struct kube_peer_answer *next(struct kube_peer_answer *all, int count, int *given)
{
    int i = *given < count ? *given : count - 1;

    (*given)++;
    return &all[i];
}

static void serve(const char *method, const char *target, const char *body,
                  struct kube_peer_answer *out, void *user)
{
    bool watch = strstr(target, "watch=1") != NULL;

    (void)method;
    (void)body;
    (void)user;
    if (strncmp(target, "/api/v1/nodes", 13) == 0 && strstr(target, "sendInitialEvents"))
        set(out, 200, EVENT("ADDED", NODE) END_OF_LIST("1"), KUBE_PEER_HANG, 0);
    else if (strncmp(target, "/api/v1/nodes", 13) == 0)
        set(out, 200, watch ? "" : LIST("1", NODE), watch ? KUBE_PEER_HANG : KUBE_PEER_WHOLE, 0);
    else if (strncmp(target, "/api/v1/namespaces/boxes/pods?", 30) != 0)
        set(out, 404, "{}", KUBE_PEER_WHOLE, 0);
    else if (strcmp(target, "/api/v1/namespaces/boxes/pods?limit=1") == 0)
        set(out, 200, LIST("1000", ""), KUBE_PEER_WHOLE, 0);
    else if (strstr(target, "sendInitialEvents"))
        set(out, 422, "{\"kind\":\"Status\",\"code\":422}", KUBE_PEER_WHOLE, 0);
    else if (watch) {
        snprintf(script.last_watch, sizeof(script.last_watch), "%s", target);
        *out = *next(script.watches, script.watch_count, &script.watches_given);
    } else
        *out = *next(script.lists, script.list_count, &script.lists_given);
}

static void on_change(const struct kube_pod *before, const struct kube_pod *after, void *user)
{
    size_t len = strlen(heard);

    (void)user;
    snprintf(heard + len, sizeof(heard) - len, "%s>%s ", before ? before->uid : "",
             after ? after->uid : "");
}

static void begin(void)
{
    struct kube_client_conf conf = {.url = peer.url, .namespace_name = "boxes"};
    struct err err = {0};

    client = kube_client_new(loop, caller, &conf, &err);
    assert_non_null(client);
    store = kube_store_new(loop, client);
    kube_store_subscribe(store, on_change, NULL);
    assert_string_equal(heard, "");
    assert_false(kube_store_synced(store));
}

static int set_up(void **state)
{
    (void)state;
    memset(&script, 0, sizeof(script));
    heard[0] = '\0';
    loop = loop_new();
    caller = http_caller_new(loop);
    return kube_peer_init(&peer, 0, serve, NULL) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    kube_store_free(&store);
    kube_client_free(&client);
    http_caller_free(&caller);
    loop_free(&loop);
    kube_peer_fini(&peer);
    return 0;
}

static bool has_heard(void *user)
{
    return strlen(heard) >= strlen(user);
}

static void expect_heard(const char *text)
{
    loop_wait_until(loop, has_heard, (void *)text, 10000);
    assert_string_equal(heard, text);
    heard[0] = '\0';
}

static bool is_synced(void *user)
{
    (void)user;
    return kube_store_synced(store) && kube_store_connected(store);
}

static bool is_disconnected(void *user)
{
    (void)user;
    return !kube_store_connected(store);
}

static struct json_t *json(const char *text)
{
    return json_parse(slice_of(text), NULL);
}

/* The resourceVersion that is known of that pod then. */
static const char *learn(const char *text)
{
    struct json_t *j = json(text);
    const struct kube_pod *known = kube_store_learn(store, j);

    json_free(j);
    return known ? known->resource_version : "none";
}

/* -- tests -- */

static void lists_and_follows(void **state)
{
    (void)state;
    say_list(200, LIST("10", POD("a", "1", "5", "") "," POD("b", "2", "6", RUNNING)));
    say_watch(200,
              EVENT("ADDED", POD("c", "3", "11", "")) BOOKMARK("12")
                  EVENT("MODIFIED", POD("a", "1", "13", RUNNING))
                      EVENT("DELETED", POD("b", "2", "14", "")),
              KUBE_PEER_HANG, 1);
    begin();
    expect_heard(">1 >2 >3 1>1 2> ");
    assert_true(kube_store_synced(store) && kube_store_connected(store));
    assert_int_equal(kube_store_pod_count(store), 2);
    assert_int_equal(kube_store_node_count(store), 1);
    assert_null(kube_store_pod(store, "b"));
    assert_string_equal(kube_store_pod(store, "a")->pod_ip, "10.0.0.1");
    assert_string_equal(kube_store_session(store, "c")->uid, "3");
    assert_null(kube_store_session(store, "b"));
}

static void expired_and_missed(void **state)
{
    (void)state;
    say_list(200, LIST("10", POD("a", "1", "5", "") "," POD("b", "2", "6", "") "," POD("c", "3",
                                                                                       "7", "")));
    say_list(200, LIST("30", POD("a", "1", "5", "") "," POD("c", "9", "20", "")));
    say_watch(200, EVENT("ERROR", "{\"code\":410,\"reason\":\"Expired\"}"), KUBE_PEER_HANG, 3);
    say_watch(410, "{\"kind\":\"Status\",\"code\":410}", KUBE_PEER_WHOLE, 0);
    say_watch(200, "", KUBE_PEER_HANG, 0);
    begin();
    expect_heard(">1 >2 >3 3> >9 2> ");
    assert_string_equal(kube_store_pod(store, "c")->uid, "9");
    loop_wait_for(loop, 400); /* the 410 as a status, and a third list that changes nothing */
    assert_string_equal(heard, "");
    assert_non_null(strstr(script.last_watch, "resourceVersion=30"));
}

static void ends_and_breaks(void **state)
{
    (void)state;
    say_list(200, LIST("10", POD("a", "1", "5", "")));
    say_watch(200, EVENT("ADDED", POD("b", "2", "11", "")), KUBE_PEER_STREAM, 0);
    say_watch(200, EVENT("ADDED", POD("c", "3", "12", "")) "{\"type\":\"ADD", KUBE_PEER_CUT, 7);
    say_watch(200, EVENT("ADDED", POD("d", "4", "13", "")), KUBE_PEER_HANG, 0);
    begin();
    expect_heard(">1 >2 >3 >4 "); /* the cut one after a check: once each */
    assert_int_equal(script.lists_given, 1);
    assert_true(kube_store_connected(store));
}

static void server_killed_and_back(void **state)
{
    int port = peer.port;

    (void)state;
    say_list(200, LIST("10", POD("a", "1", "5", "")));
    say_watch(200, BOOKMARK("11"), KUBE_PEER_HANG, 0);
    begin();
    assert_true(loop_wait_until(loop, is_synced, NULL, 5000));
    expect_heard(">1 ");
    kube_peer_fini(&peer);
    assert_true(loop_wait_until(loop, is_disconnected, NULL, 5000));
    assert_true(kube_store_synced(store)); /* what was known still is */
    assert_non_null(kube_store_pod(store, "a"));
    loop_wait_for(loop, 100);
    assert_true(kube_store_error(store)[0] != '\0');
    say_list(200, LIST("40", POD("b", "2", "35", "")));
    assert_true(kube_peer_init(&peer, port, serve, NULL));
    assert_true(loop_wait_until(loop, is_synced, NULL, 10000));
}

static void learning(void **state)
{
    (void)state;
    say_list(200, LIST("10", POD("a", "1", "9", "")));
    say_watch(200, "", KUBE_PEER_HANG, 0);
    begin();
    assert_true(loop_wait_until(loop, is_synced, NULL, 5000));
    expect_heard(">1 ");
    uint64_t version = kube_store_version(store);
    assert_string_equal(learn(POD("a", "1", "8", RUNNING)), "9"); /* older */
    assert_string_equal(learn(POD("a", "1", "9", RUNNING)), "9"); /* the same */
    assert_int_equal(kube_store_version(store), version);
    assert_string_equal(learn(POD("a", "1", "10", RUNNING)), "10");
    expect_heard("1>1 ");
    const struct kube_pod *p = kube_store_pod(store, "a");
    learn(POD("a", "2", "3", ""));    /* another object of that name */
    assert_string_equal(p->uid, "1"); /* valid until the next turn */
    expect_heard("1> >2 ");
    /* An answer that comes late must not bring it back. */
    assert_string_equal(learn(POD("a", "1", "12", "")), "none");
    assert_string_equal(heard, "");
    kube_store_forget(store, "a", "1");
    assert_non_null(kube_store_pod(store, "a"));
    kube_store_forget(store, "a", "2");
    expect_heard("2> ");
    assert_string_equal(learn("{\"metadata\":{}}"), "none");
    assert_int_equal(kube_store_pod_count(store), 0);
    assert_true(kube_store_version(store) > version);
}

/* A pod that only an answer told us of, created and deleted while no watch looked. */
static void learned_and_missed(void **state)
{
    (void)state;
    say_list(200, LIST("10", ""));
    say_list(200, LIST("30", ""));
    say_watch(200, EVENT("ERROR", "{\"code\":410}"), KUBE_PEER_HANG, 0);
    say_watch(200, "", KUBE_PEER_HANG, 0);
    begin();
    assert_true(loop_wait_until(loop, is_synced, NULL, 5000));
    learn(POD("old", "1", "20", ""));
    learn(POD("new", "2", "31", "")); /* newer than the list that comes */
    expect_heard(">1 >2 1> ");
    assert_non_null(kube_store_pod(store, "new"));
}

/* The watch is late: the pod of that name that an answer told us of has taken its place since. */
static void learned_before_the_watch_tells_of_the_one_before(void **state)
{
    (void)state;
    say_list(200, LIST("10", ""));
    say_watch(
        200,
        EVENT("ADDED", POD("a", "1", "11", RUNNING)) EVENT("DELETED", POD("a", "1", "12", RUNNING))
            EVENT("ADDED", POD("a", "2", "13", "")) EVENT("ADDED", POD("b", "3", "14", "")),
        KUBE_PEER_HANG, 0);
    begin();
    learn(POD("a", "2", "13", ""));
    expect_heard(">2 >3 ");
    assert_string_equal(kube_store_pod(store, "a")->uid, "2");
}

static void two_pods_of_one_session(void **state)
{
    (void)state;
    say_list(200, LIST("10", ""));
    say_watch(200, "", KUBE_PEER_HANG, 0);
    begin();
    assert_true(loop_wait_until(loop, is_synced, NULL, 5000));
#define OF_S(name, uid, more)                                                                      \
    "{\"metadata\":{\"name\":\"" name "\",\"uid\":\"" uid "\",\"resourceVersion\":\"5\","          \
    "\"labels\":{\"spillway.dev/session\":\"s\"}}" more "}"
    learn(OF_S("x", "1", SUCCEEDED));
    learn(OF_S("y", "2", RUNNING)); /* the living one counts */
    assert_string_equal(kube_store_session(store, "s")->uid, "2");
    learn(OF_S("z", "3", RUNNING)); /* who came first stays */
    assert_string_equal(kube_store_session(store, "s")->uid, "2");
    kube_store_forget(store, "y", "2");
    assert_non_null(kube_store_session(store, "s"));
    kube_store_forget(store, "z", "3");
    assert_string_equal(kube_store_session(store, "s")->uid, "1");
    kube_store_forget(store, "x", "1");
    assert_null(kube_store_session(store, "s"));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lists_and_follows),
        TEST(expired_and_missed),
        TEST(ends_and_breaks),
        TEST(server_killed_and_back),
        TEST(learning),
        TEST(learned_and_missed),
        TEST(learned_before_the_watch_tells_of_the_one_before),
        TEST(two_pods_of_one_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
