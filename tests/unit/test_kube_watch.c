/* The watch's machine in virtual time, against an API server that is played by the test. */
#include "unit.h"

#include "base/json.h"
#include "clusters/kube_client.h"
#include "clusters/kube_transport.h"
#include "clusters/kube_watch.h"
#include "fake_world.h"
#include <stdio.h>

/* -- the played server: what kube_watch links instead of kube_client, kube_transport and http_call
 * -- */

struct http_call {
    char path[2048];
    http_call_done_f *done;
    void (*on_data)(struct http_call *c, struct slice piece, void *user);
    void *user;
    int64_t idle_ms, total_ms;
};

static struct fake_world world;
static struct http_call *call; /* the one that is open */
static int calls, cancelled, distrusted;
static bool refuse_start;

struct world *kube_client_world(const struct kube_client *k)
{
    (void)k;
    return &world.world;
}

struct kube_transport *kube_client_transport(const struct kube_client *k)
{
    (void)k;
    return NULL;
}

void kube_transport_escape(struct buf *out, const char *text)
{
    buf_add_text(out, text);
}

void kube_transport_distrust_token(struct kube_transport *t)
{
    (void)t;
    distrusted++;
}

int kube_transport_start(struct kube_transport *t, const struct kube_transport_request *req,
                         http_call_done_f *done, void *user, struct http_call **out,
                         struct err *err)
{
    (void)t;
    if (refuse_start)
        return err_set(err, ERR_CONFIG, "no token");
    assert_null(call); /* never two at a time */
    call = mem_alloc(sizeof(*call));
    snprintf(call->path, sizeof(call->path), "%s", req->path);
    call->done = done;
    call->user = user;
    call->on_data = req->on_data;
    call->idle_ms = req->idle_ms;
    call->total_ms = req->total_ms;
    calls++;
    *out = call;
    return 0;
}

void http_call_cancel(struct http_call **c)
{
    assert_ptr_equal(*c, call);
    free(call);
    call = NULL;
    *c = NULL;
    cancelled++;
}

static void end_with(const struct http_call_result *r)
{
    struct http_call *c = call;

    assert_non_null(c);
    call = NULL;
    c->done(c, r, c->user);
    free(c);
}

static void answer(int status, const char *body)
{
    end_with(
        &(struct http_call_result){.status = status, .body = slice_of(body), .retry_after_s = -1});
}

static void break_with(enum err_code code)
{
    struct err err = {0};

    err_set(&err, code, "broken");
    end_with(&(struct http_call_result){.retry_after_s = -1, .err = &err});
}

static void send_bytes(const char *text, size_t step)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < len; i += step) {
        size_t n = len - i < step ? len - i : step;
        char *copy = mem_alloc(n);
        memcpy(copy, text + i, n);
        call->on_data(call, (struct slice){copy, n}, call->user);
        free(copy);
    }
}

static void stream(const char *text)
{
    send_bytes(text, strlen(text));
}

/* -- what the watch says -- */

static struct kube_watch *watch;
static char heard[4096];
static int synced;

static void on_event(enum kube_event what, const struct json_t *object, void *user)
{
    static const char SIGNS[] = {'+', '~', '-'};
    struct json_t *m = json_get(object, "metadata");
    size_t len = strlen(heard);

    (void)user;
    snprintf(heard + len, sizeof(heard) - len, "%c%s/%s ", SIGNS[what],
             json_get_text(m, "name", "?"), json_get_text(m, "uid", "?"));
}

static void on_synced(void *user)
{
    (void)user;
    synced++;
}

static void expect_heard(const char *text)
{
    assert_string_equal(heard, text);
    heard[0] = '\0';
}

static void expect_path(const char *part)
{
    assert_non_null(call);
    if (!strstr(call->path, part))
        fail_msg("%s is not in %s", part, call->path);
}

static void expect_state(const char *name)
{
    assert_string_equal(kube_watch_state(watch), name);
}

#define POD(name, uid, version)                                                                    \
    "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"b\",\"uid\":\"" uid                      \
    "\",\"resourceVersion\":\"" version "\"}}"
#define EVENT(type, object) "{\"type\":\"" type "\",\"object\":" object "}\n"
#define LIST(version, items)                                                                       \
    "{\"metadata\":{\"resourceVersion\":\"" version "\"},\"items\":[" items "]}"
#define BOOKMARK(version) EVENT("BOOKMARK", "{\"metadata\":{\"resourceVersion\":\"" version "\"}}")
#define EXPIRED           EVENT("ERROR", "{\"kind\":\"Status\",\"code\":410,\"reason\":\"Expired\"}")

static int set_up(void **state)
{
    static const struct kube_watch_events EVENTS = {on_event, on_synced};

    (void)state;
    fake_world_init(&world, 7);
    calls = cancelled = distrusted = synced = 0;
    heard[0] = '\0';
    refuse_start = false;
    watch = kube_watch_new(
        NULL, &(struct kube_watch_conf){.path = "/pods", .label_selector = "a=b"}, &EVENTS, NULL);
    kube_watch_start(watch);
    assert_int_equal(calls, 0); /* nothing before the start returned */
    fake_world_run(&world, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kube_watch_free(&watch);
    assert_null(call);
    assert_null(world.timers);
    return 0;
}

/* Lists a and b and is watching at version 10. */
static void begin(void)
{
    expect_path("/pods?limit=500&labelSelector=a=b");
    answer(200, LIST("10", POD("a", "1", "5") "," POD("b", "2", "7")));
    expect_heard("+a/1 +b/2 ");
    assert_int_equal(synced, 1);
    fake_world_run(&world, 0);
    expect_state("WATCHING");
    expect_path("watch=1");
    expect_path("allowWatchBookmarks=true");
    expect_path("resourceVersion=10");
    assert_true(kube_watch_connected(watch) && kube_watch_synced(watch));
}

/* Until the next call, which must come after [least,most] ms. */
static void expect_pause(int64_t least, int64_t most)
{
    int before = calls;
    int64_t began = world.now_ms;

    expect_state("BACKOFF");
    fake_world_run(&world, 0); /* the old call is hung up */
    assert_null(call);
    while (calls == before && world.now_ms < began + 300000)
        fake_world_run(&world, 1);
    assert_in_range(world.now_ms - began, least, most);
}

/* -- tests -- */

static void pages(void **state)
{
    (void)state;
    assert_false(kube_watch_synced(watch) || kube_watch_connected(watch));
    answer(200, "{\"metadata\":{\"resourceVersion\":\"10\",\"continue\":\"tok\"},\"items\":[" POD(
                    "a", "1", "5") "]}");
    fake_world_run(&world, 0);
    expect_path("continue=tok");
    assert_int_equal(synced, 0);
    answer(410, "{\"kind\":\"Status\"}"); /* the token is too old: from the beginning */
    expect_pause(50, 101);
    expect_path("/pods?limit=500&label");
    answer(200, LIST("12", POD("a", "1", "5") "," POD("b", "2", "7")));
    expect_heard("+a/1 +b/2 ");
    assert_string_equal(kube_watch_version(watch), "12");
    assert_int_equal(synced, 1);
}

static void cut_at_every_byte(void **state)
{
    (void)state;
    begin();
    for (size_t step = 1; step < 40; step++)
        send_bytes(EVENT("ADDED", POD("c", "3", "11"))
                       BOOKMARK("12") "\r\n" EVENT("MODIFIED", POD("c", "3", "13"))
                           EVENT("DELETED", POD("c", "3", "14")),
                   step);
    for (size_t step = 1; step < 40; step++) {
        assert_memory_equal(heard + (step - 1) * 15, "+c/3 ~c/3 -c/3 ", 15);
    }
    heard[0] = '\0';
    assert_string_equal(kube_watch_version(watch), "14");
}

static void expired_in_the_stream(void **state)
{
    (void)state;
    begin();
    stream(EVENT("MODIFIED", POD("a", "1", "11")) EXPIRED EVENT("ADDED", POD("x", "9", "12")));
    expect_heard("~a/1 "); /* nothing behind the error */
    assert_true(kube_watch_connected(watch));
    expect_pause(50, 101);
    expect_state("LISTING");
    /* a is as it was, b is gone, c is new: what was missed is told as if it had been seen. */
    answer(200, LIST("30", POD("a", "1", "11") "," POD("c", "3", "20")));
    expect_heard("+c/3 -b/2 ");
    assert_int_equal(synced, 2);
    fake_world_run(&world, 0);
    expect_path("resourceVersion=30");
}

static void expired_as_status(void **state)
{
    (void)state;
    begin();
    answer(410, "{\"kind\":\"Status\",\"code\":410}");
    expect_pause(50, 101);
    expect_state("LISTING");
    /* b's name came back as another object. */
    answer(200, LIST("30", POD("a", "1", "5") "," POD("b", "4", "20")));
    expect_heard("-b/2 +b/4 ");
    fake_world_run(&world, 0);
    answer(410, ""); /* again, and nothing was shown between: that is a failure */
    expect_pause(800, 1601);
    expect_state("LISTING");
}

static void orderly_end(void **state)
{
    (void)state;
    begin();
    stream(BOOKMARK("15"));
    answer(200, "");
    assert_true(kube_watch_connected(watch)); /* a pause of that length is part of the work */
    expect_pause(50, 101);
    expect_state("WATCHING");
    expect_path("resourceVersion=15");
    fake_world_run(&world, 5000);
    answer(200, "");
    expect_pause(50, 101);
    expect_state("WATCHING");
}

static void ends_at_once_again_and_again(void **state)
{
    int64_t least = 800;

    (void)state;
    begin();
    for (int i = 0; i < 10; i++) {
        answer(200, "");
        assert_false(kube_watch_connected(watch));
        assert_string_equal(kube_watch_error(watch), "the watch ended at once");
        expect_pause(least, 2 * least + 1);
        expect_state("CHECKING");
        answer(200, LIST("10", ""));
        fake_world_run(&world, 0);
        expect_state("WATCHING");
        least = least * 2 < 30000 ? least * 2 : 30000;
    }
    stream(BOOKMARK("11"));
    assert_string_equal(kube_watch_error(watch), "");
    break_with(ERR_UPSTREAM);
    expect_pause(800, 1601);
}

static void silence(void **state)
{
    (void)state;
    begin();
    assert_int_equal(call->idle_ms, 60000);
    assert_in_range(call->total_ms, 330000, 629000);
    fake_world_run(&world, 60000);
    break_with(ERR_DEADLINE);
    assert_true(kube_watch_connected(watch));
    expect_pause(50, 101);
    expect_state("CHECKING");
    expect_path("limit=1");
    answer(200, LIST("11", ""));
    fake_world_run(&world, 0);
    expect_state("WATCHING");
    expect_path("resourceVersion=10"); /* not 11: what was between was not shown */
    fake_world_run(&world, 60000);
    break_with(ERR_DEADLINE);
    expect_pause(50, 101);
    break_with(ERR_DEADLINE); /* the check, too: it takes connections and is silent */
    assert_false(kube_watch_connected(watch));
    expect_pause(800, 1601);
    expect_state("CHECKING");
}

static void no_connection(void **state)
{
    (void)state;
    begin();
    break_with(ERR_UPSTREAM);
    assert_false(kube_watch_connected(watch));
    expect_pause(800, 1601);
    break_with(ERR_UNAVAILABLE);
    expect_pause(1600, 3201);
    assert_string_equal(kube_watch_error(watch), "broken");
    answer(200, LIST("12", ""));
    assert_false(kube_watch_connected(watch));
    fake_world_run(&world, 0);
    assert_true(kube_watch_connected(watch));
    expect_path("resourceVersion=10");
}

static void a_server_that_lost_its_history(void **state)
{
    (void)state;
    begin();
    break_with(ERR_UPSTREAM);
    expect_pause(800, 1601);
    answer(200, LIST("3", "")); /* below our 10 */
    fake_world_run(&world, 0);
    expect_state("LISTING");
    answer(200, LIST("3", POD("a", "1", "2")));
    expect_heard("~a/1 -b/2 ");
    fake_world_run(&world, 0);
    expect_path("resourceVersion=3");
}

static void the_first_list_fails(void **state)
{
    (void)state;
    break_with(ERR_UNAVAILABLE);
    expect_pause(800, 1601);
    expect_state("LISTING");
    answer(401, "{}");
    assert_int_equal(distrusted, 1);
    expect_pause(1600, 3201);
    answer(200, "no JSON");
    expect_pause(3200, 6401);
    answer(200, "{\"items\":[]}");
    expect_pause(6400, 12801);
    assert_non_null(strstr(kube_watch_error(watch), "resourceVersion"));
    assert_false(kube_watch_synced(watch));
    begin();
}

static void retry_after(void **state)
{
    (void)state;
    begin();
    end_with(&(struct http_call_result){.status = 429, .retry_after_s = 7});
    expect_pause(7000, 7001);
    end_with(&(struct http_call_result){.status = 503, .retry_after_s = 86400});
    expect_pause(60000, 60001); /* nobody sends us away for a day */
    answer(200, LIST("10", ""));
    fake_world_run(&world, 0);
    stream(EVENT("ERROR", "{\"code\":500,\"message\":\"etcd is away\"}"));
    assert_non_null(strstr(kube_watch_error(watch), "etcd is away"));
    expect_pause(3200, 6401);
    expect_state("CHECKING");
}

static void what_cannot_be_read(void **state)
{
    static const char *const LINES[] = {
        "garbage\n",
        "{}\n",
        "{\"type\":\"ADDED\"}\n",
        "{\"type\":\"ADDED\",\"object\":[]}\n",
        "{\"type\":7,\"object\":{}}\n",
        "{\"type\":\"ADDED\",\"object\":{}\n",
    };

    (void)state;
    begin();
    for (size_t i = 0; i < ARRAY_LEN(LINES); i++) {
        stream(BOOKMARK("12"));
        stream(LINES[i]);
        expect_pause(800, 1601);
        expect_state("LISTING"); /* an event is lost, nobody knows which */
        answer(200, LIST("12", POD("a", "1", "5") "," POD("b", "2", "7")));
        fake_world_run(&world, 0);
        expect_state("WATCHING");
    }
    expect_heard("");
    /* Unknown kinds of events and objects without a name are no reason to fall over. */
    stream(EVENT("SURPRISE", POD("q", "9", "13")) EVENT("ADDED", "{\"metadata\":{}}"));
    expect_heard("");
    expect_state("WATCHING");
}

static void too_long(void **state)
{
    size_t len = (size_t)1 << 20;
    char *text = mem_alloc(len + 1);

    (void)state;
    begin();
    memset(text, 'x', len);
    for (int i = 0; i < 4; i++) {
        stream(text);
        expect_state("WATCHING");
    }
    stream(text);
    expect_pause(800, 1601);
    expect_state("LISTING");
    free(text);
}

static void cannot_be_started(void **state)
{
    (void)state;
    begin();
    stream(BOOKMARK("11"));
    answer(200, "");
    refuse_start = true;
    fake_world_run(&world, 200);
    expect_state("BACKOFF");
    assert_string_equal(kube_watch_error(watch), "no token");
    assert_false(kube_watch_connected(watch));
    refuse_start = false;
    fake_world_run(&world, 2000);
    expect_state("CHECKING");
}

static void duplicates(void **state)
{
    (void)state;
    begin();
    stream(EVENT("ADDED", POD("a", "1", "5")));     /* as listed: nothing new */
    stream(EVENT("ADDED", POD("a", "1", "11")));    /* known: a change */
    stream(EVENT("MODIFIED", POD("z", "8", "12"))); /* unknown: new */
    stream(EVENT("ADDED", POD("b", "7", "13")));    /* the name's new owner */
    stream(EVENT("DELETED", POD("y", "6", "14")));  /* never seen: others may know it */
    expect_heard("~a/1 +z/8 -b/2 +b/7 -y/6 ");
}

static void lists_anew_from_time_to_time(void **state)
{
    int lists = 0;

    (void)state;
    begin();
    for (int i = 0; i < 12; i++) { /* 2 hours of watches of 10 minutes */
        fake_world_run(&world, 600000);
        answer(200, "");
        fake_world_run(&world, 101);
        if (strcmp(kube_watch_state(watch), "LISTING") == 0) {
            lists++;
            assert_true(kube_watch_connected(watch));
            answer(200, LIST("10", POD("a", "1", "5")));
            fake_world_run(&world, 0);
        }
        expect_state("WATCHING");
    }
    assert_in_range(lists, 3, 5);
    expect_heard("-b/2 "); /* which the watch had lost */
}

static void freed_anywhere(void **state)
{
    (void)state;
    begin();
    stream(EXPIRED); /* the call is still open, its end is due */
    assert_non_null(call);
    kube_watch_free(&watch);
    assert_null(call);
    assert_int_equal(cancelled, 1);
    set_up(state); /* and freed while listing */
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(pages),
        TEST(cut_at_every_byte),
        TEST(expired_in_the_stream),
        TEST(expired_as_status),
        TEST(orderly_end),
        TEST(ends_at_once_again_and_again),
        TEST(silence),
        TEST(no_connection),
        TEST(a_server_that_lost_its_history),
        TEST(the_first_list_fails),
        TEST(retry_after),
        TEST(what_cannot_be_read),
        TEST(too_long),
        TEST(cannot_be_started),
        TEST(duplicates),
        TEST(lists_anew_from_time_to_time),
        TEST(freed_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
