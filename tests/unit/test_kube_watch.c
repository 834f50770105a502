/* The watch's machine in virtual time, against an API server that lists by pages. */
#include "unit.h"

#include "kube_stage.h"

#include <sys/mman.h>

static int set_up(void **state)
{
    stage_set_up(state);
    expect_path("sendInitialEvents=true");
    answer(422, "{\"kind\":\"Status\",\"code\":422}"); /* not here */
    fake_world_run(&world, 200);
    calls = cancelled = 0;
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
        least = least * 2 < 2500 ? least * 2 : 2500;
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
    expect_path("resourceVersion=10");
    fake_world_run(&world, 999); /* what happened meanwhile is on its way */
    assert_false(kube_watch_connected(watch));
    fake_world_run(&world, 1);
    assert_true(kube_watch_connected(watch));
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
    expect_pause(2500, 5001);
    answer(200, "{\"items\":[]}");
    expect_pause(2500, 5001);
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

static int lines_with(const char *log, const char *what)
{
    int count = 0;

    for (const char *at = log; (at = strstr(at, what)); at++)
        count++;
    return count;
}

static void the_log_names_each_cause_once(void **state)
{
    char log[4096] = "";
    int old = dup(STDERR_FILENO), file = memfd_create("log", MFD_CLOEXEC);

    (void)state;
    begin();
    assert_true(dup2(file, STDERR_FILENO) >= 0);
    for (int i = 0; i < 5; i++) {
        answer(403, "{\"message\":\"pods is forbidden\"}");
        fake_world_run(&world, 10000); /* the next call */
    }
    break_with(ERR_UPSTREAM);
    fake_world_run(&world, 10000);
    answer(200, LIST("10", ""));
    fake_world_run(&world, 0);
    stream(BOOKMARK("11"));
    stream(BOOKMARK("12"));
    assert_true(dup2(old, STDERR_FILENO) >= 0);
    assert_true(pread(file, log, sizeof(log) - 1, 0) > 0);
    close(file);
    close(old);
    assert_int_equal(lines_with(log, "event=kube_watch_lost"), 2);
    assert_int_equal(lines_with(log, "pods is forbidden"), 1);
    assert_int_equal(lines_with(log, "error=broken"), 1);
    assert_int_equal(lines_with(log, "event=kube_watch_up"), 1);
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

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, stage_tear_down)

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
        TEST(the_log_names_each_cause_once),
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
