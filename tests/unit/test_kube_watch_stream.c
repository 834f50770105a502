/* Lists that come as the first events of a watch, and servers that cannot do that. */
#include "unit.h"

#include "kube_stage.h"

#define END_OF_LIST(version)                                                                       \
    EVENT("BOOKMARK", "{\"metadata\":{\"resourceVersion\":\"" version                              \
                      "\",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}}}")
#define ERROR(code) EVENT("ERROR", "{\"kind\":\"Status\",\"code\":" code ",\"message\":\"no\"}")

/* Has shown a and b and is watching at version 10. */
static void begin(void)
{
    expect_path("/pods?watch=1&allowWatchBookmarks=true");
    expect_path("&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&labelSelector=a=b");
    assert_null(strstr(call->path, "resourceVersion="));
    expect_state("STREAMING");
    stream(EVENT("ADDED", POD("a", "1", "5")) EVENT("ADDED", POD("b", "2", "7")));
    assert_int_equal(synced, 0);
    assert_false(kube_watch_synced(watch) || kube_watch_connected(watch));
    stream(END_OF_LIST("10"));
    expect_heard("+a/1 +b/2 ");
    assert_int_equal(synced, 1);
    expect_state("WATCHING");
    assert_string_equal(kube_watch_version(watch), "10");
    assert_true(kube_watch_connected(watch) && kube_watch_synced(watch));
    assert_int_equal(calls, 1);
}

static void expect_pages(void)
{
    fake_world_run(&world, 200);
    expect_state("LISTING");
    expect_path("/pods?limit=500");
    answer(200, LIST("10", POD("a", "1", "5")));
    fake_world_run(&world, 0);
    expect_state("WATCHING");
    expect_path("resourceVersion=10");
    /* For good: the next list is by pages at once. */
    stream(BOOKMARK("11") EXPIRED);
    expect_pause(50, 101);
    expect_state("LISTING");
    answer(200, LIST("12", POD("a", "1", "5")));
    fake_world_run(&world, 0);
    heard[0] = '\0';
}

static void one_call_lists_and_watches(void **state)
{
    (void)state;
    begin();
    fake_world_run(&world, 200000); /* the limit of the list is none of the watch */
    expect_state("WATCHING");
    stream(EVENT("ADDED", POD("c", "3", "11")) BOOKMARK("12"));
    expect_heard("+c/3 ");
    assert_int_equal(calls, 1);
    answer(200, "");
    expect_pause(50, 101);
    expect_state("WATCHING");
    expect_path("&resourceVersion=12");
    assert_null(strstr(call->path, "sendInitialEvents"));
    assert_int_equal(synced, 1);
}

/* What happens while the list comes is told in between; its versions count for nothing. */
static void changes_within_the_list(void **state)
{
    (void)state;
    stream(EVENT("ADDED", POD("a", "1", "5")) EVENT("ADDED", POD("b", "2", "7")));
    stream(EVENT("MODIFIED", POD("a", "1", "11")) EVENT("DELETED", POD("b", "2", "12")));
    stream(BOOKMARK("13")); /* an ordinary one */
    expect_heard("+a/1 +b/2 ~a/1 -b/2 ");
    assert_int_equal(synced, 0);
    assert_string_equal(kube_watch_version(watch), "");
    stream(END_OF_LIST("14"));
    assert_int_equal(synced, 1);
    assert_string_equal(kube_watch_version(watch), "14");
    expect_heard("");
}

static void cut_at_every_byte(void **state)
{
    static const char TEXT[] = EVENT("ADDED", POD("a", "1", "5")) END_OF_LIST("10")
        EVENT("MODIFIED", POD("a", "1", "11")) EVENT("DELETED", POD("a", "1", "12"));

    for (size_t step = 1; step < 40; step++) {
        send_bytes(TEXT, step);
        expect_heard("+a/1 ~a/1 -a/1 ");
        assert_string_equal(kube_watch_version(watch), "12");
        stage_tear_down(state);
        stage_set_up(state);
    }
}

static void expired_in_the_stream(void **state)
{
    (void)state;
    begin();
    stream(BOOKMARK("12") EXPIRED EVENT("ADDED", POD("x", "9", "12")));
    assert_true(kube_watch_connected(watch));
    expect_pause(50, 101);
    expect_state("STREAMING");
    stream(EVENT("ADDED", POD("a", "1", "5")) EVENT("ADDED", POD("c", "3", "20")));
    stream(END_OF_LIST("30"));
    expect_heard("+c/3 -b/2 ");
    assert_int_equal(synced, 2);
    assert_string_equal(kube_watch_version(watch), "30");
    stream(EXPIRED); /* at once: that is a failure */
    expect_pause(800, 1601);
    expect_state("STREAMING");
}

/* Half a list is none: the next one begins anew and tells of the losses of both. */
static void broken_within_the_list(void **state)
{
    (void)state;
    stream(EVENT("ADDED", POD("a", "1", "5")) EVENT("ADDED", POD("b", "2", "7")));
    break_with(ERR_UPSTREAM);
    expect_pause(800, 1601);
    expect_state("STREAMING");
    stream(EVENT("ADDED", POD("a", "1", "5")));
    break_with(ERR_UPSTREAM);
    expect_pause(1600, 3201); /* events of a list do not make it a success */
    stream(EVENT("ADDED", POD("b", "2", "7")) END_OF_LIST("9"));
    expect_heard("+a/1 +b/2 -a/1 ");
}

static void a_check_may_lead_to_a_list(void **state)
{
    (void)state;
    begin();
    break_with(ERR_UPSTREAM);
    expect_pause(800, 1601);
    expect_state("CHECKING");
    answer(200, LIST("3", "")); /* below our 10 */
    fake_world_run(&world, 0);
    expect_state("STREAMING");
    stream(EVENT("ADDED", POD("a", "1", "2")) END_OF_LIST("3"));
    expect_heard("~a/1 -b/2 ");
    assert_string_equal(kube_watch_version(watch), "3");
}

static void refused_by_a_status(void **state)
{
    static const int STATUS[] = {400, 405, 410, 422, 500, 501};

    for (size_t i = 0; i < ARRAY_LEN(STATUS); i++) {
        answer(STATUS[i], "{}");
        assert_string_equal(kube_watch_error(watch), "");
        expect_pages();
        stage_tear_down(state);
        stage_set_up(state);
    }
}

static void refused_by_an_event(void **state)
{
    (void)state;
    stream(ERROR("500"));
    expect_pages();
    stream(ERROR("500")); /* in a watch it says nothing of lists */
    expect_pause(800, 1601);
    expect_state("CHECKING");
}

/* A server that does not know the parameters tells all that is there, and never an end. */
static void never_an_end(void **state)
{
    (void)state;
    stream(EVENT("ADDED", POD("a", "1", "5")));
    fake_world_run(&world, 119999);
    expect_state("STREAMING");
    fake_world_run(&world, 1);
    assert_int_equal(cancelled, 1);
    expect_pages();
    stage_tear_down(state);
    stage_set_up(state);
    stream(EVENT("ADDED", POD("a", "1", "5")));
    break_with(ERR_DEADLINE); /* the idle limit */
    expect_pages();
    stage_tear_down(state);
    stage_set_up(state);
    answer(200, "");
    expect_pages();
}

static void trouble_of_the_moment(void **state)
{
    (void)state;
    end_with(&(struct http_call_result){.status = 429, .retry_after_s = 7});
    expect_pause(7000, 7001);
    expect_state("STREAMING");
    answer(401, "{}");
    assert_int_equal(distrusted, 1);
    expect_pause(1600, 3201);
    stream(EVENT("ERROR", "{\"code\":429,\"details\":{\"retryAfterSeconds\":9}}"));
    expect_pause(9000, 9001);
    stream(ERROR("504"));
    expect_pause(2500, 5001);
    stream("garbage\n");
    expect_pause(2500, 5001);
    stream(END_OF_LIST(""));
    assert_string_equal(kube_watch_error(watch), "a list without resourceVersion");
    expect_pause(2500, 5001);
    break_with(ERR_UNAVAILABLE);
    expect_pause(2500, 5001);
    answer(404, "{}"); /* and no list either */
    expect_pause(2500, 5001);
    expect_state("STREAMING");
    stream(END_OF_LIST("10"));
    assert_int_equal(synced, 1);
}

static void freed_within_the_list(void **state)
{
    (void)state;
    stream(EVENT("ADDED", POD("a", "1", "5")));
    assert_non_null(call);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, stage_set_up, stage_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_call_lists_and_watches),
        TEST(changes_within_the_list),
        TEST(cut_at_every_byte),
        TEST(expired_in_the_stream),
        TEST(broken_within_the_list),
        TEST(a_check_may_lead_to_a_list),
        TEST(refused_by_a_status),
        TEST(refused_by_an_event),
        TEST(never_an_end),
        TEST(trouble_of_the_moment),
        TEST(freed_within_the_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
