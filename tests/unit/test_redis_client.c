/* Against a real Redis, which is stopped, killed and started again under the client's hands. */
#include "unit.h"

#include "loop_wait.h"
#include "redis_server.h"
#include "router/peers.h"
#include "router/redis_client.h"
#include "router/result_store.h"

#define TIMEOUT_MS       10000 /* a busy machine is no lost server */
#define SHORT_TIMEOUT_MS 300   /* for the test that waits for it */

static struct redis_server server;
static struct loop *loop;
static struct redis_client *redis;

struct tally {
    int good, failed, nil;
    int64_t number;
    char text[256];
    size_t len;
    char error[400];
};

static void count(const struct redis_value *value, const struct err *err, void *user)
{
    struct tally *t = user;

    if (err) {
        t->failed++;
        assert_int_equal(err->code, ERR_STORE);
        snprintf(t->error, sizeof(t->error), "%s", err->msg);
        return;
    }
    t->good++;
    t->nil += value->kind == REDIS_NIL;
    t->number = value->number;
    if (value->kind == REDIS_TEXT) {
        t->len = value->text.len;
        snprintf(t->text, sizeof(t->text), "%.*s", SLICE_ARG(value->text));
    }
}

static void command(struct tally *t, const char *a, const char *b, const char *c)
{
    struct slice args[] = {slice_of(a), slice_of(b), slice_of(c)};

    redis_command(redis, args, c ? 3 : b ? 2 : 1, count, t);
}

static bool run_until(loop_wait_f *fn, void *user)
{
    return loop_wait_until(loop, fn, user, 20000);
}

static void run_for(int64_t ms)
{
    loop_wait_for(loop, ms);
}

static bool is_up(void *user)
{
    (void)user;
    return redis_client_up(redis);
}

static bool is_down(void *user)
{
    (void)user;
    return !redis_client_up(redis);
}

struct expected {
    const struct tally *tally;
    int answers;
};

static bool is_answered(void *user)
{
    const struct expected *e = user;

    return e->tally->good + e->tally->failed >= e->answers;
}

static void wait_answers(const struct tally *t, int answers)
{
    assert_true(run_until(is_answered, &(struct expected){t, answers}));
    run_for(20); /* nothing may come twice */
    assert_int_equal(t->good + t->failed, answers);
}

static bool says(void *user)
{
    return strstr(redis_client_error(redis), user) != NULL;
}

static int set_up(void **state)
{
    struct err err = {0};

    (void)state;
    if (!server.pid && !redis_server_start(&server))
        return -1;
    loop = loop_new();
    redis = redis_client_new(loop, server.url, NULL, TIMEOUT_MS, &err);
    return redis && run_until(is_up, NULL) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    redis_client_free(&redis);
    loop_free(&loop);
    return 0;
}

/* -- the tests -- */

static void values(void **state)
{
    struct tally t = {0};

    (void)state;
    command(&t, "SET", "k", "v");
    assert_int_equal(t.good, 0); /* never before the call returned */
    command(&t, "GET", "k", NULL);
    wait_answers(&t, 2);
    assert_string_equal(t.text, "v");
    command(&t, "INCR", "n", NULL);
    wait_answers(&t, 3);
    assert_int_equal(t.number, 1);
    command(&t, "GET", "missing", NULL);
    wait_answers(&t, 4);
    assert_int_equal(t.nil, 1);
    command(&t, "INCR", "k", NULL);
    wait_answers(&t, 5);
    assert_int_equal(t.failed, 1);
    assert_non_null(strstr(t.error, "not an integer"));
    assert_true(redis_client_up(redis)); /* an error answer costs no connection */
    assert_int_equal(redis_client_counts(redis)->errors, 1);
    assert_int_equal(redis_client_counts(redis)->answered, 5); /* the greeting, too */
    assert_int_equal(redis_client_counts(redis)->connections, 1);
}

static void no_connection(void **state)
{
    struct tally t = {0};

    (void)state;
    redis_server_kill(&server);
    assert_true(run_until(is_down, NULL));
    command(&t, "PING", NULL, NULL);
    assert_int_equal(t.failed, 0);
    wait_answers(&t, 1);
    assert_int_equal(t.failed, 1);
    assert_int_equal(redis_client_counts(redis)->refused, 1);
    assert_true(redis_client_error(redis)[0] != '\0');
    run_for(300); /* several attempts that are refused */
    assert_true(redis_server_start(&server));
    assert_true(run_until(is_up, NULL));
    assert_string_equal(redis_client_error(redis), "");
    command(&t, "PING", NULL, NULL);
    wait_answers(&t, 2);
    assert_int_equal(t.good, 1);
}

static void killed_with_commands_on_their_way(void **state)
{
    struct tally t = {0};

    (void)state;
    for (int round = 1; round <= 5; round++) {
        redis_server_signal(&server, SIGSTOP);
        for (int i = 0; i < 50; i++)
            command(&t, "INCR", "n", NULL);
        run_for(round * 10);
        redis_server_kill(&server);
        wait_answers(&t, round * 50);
        assert_int_equal(t.good, 0);
        assert_true(redis_server_start(&server));
        assert_true(run_until(is_up, NULL));
    }
}

static void stopped_and_continued(void **state)
{
    struct err err = {0};
    struct tally t = {0};

    (void)state;
    redis_client_free(&redis);
    redis = redis_client_new(loop, server.url, NULL, SHORT_TIMEOUT_MS, &err);
    assert_true(run_until(is_up, NULL));
    int64_t began = world_now_ms(loop_world(loop));
    uint64_t lost = redis_client_counts(redis)->lost;
    redis_server_signal(&server, SIGSTOP);
    command(&t, "PING", NULL, NULL);
    wait_answers(&t, 1);
    assert_int_equal(t.failed, 1);
    assert_int_equal(redis_client_counts(redis)->lost, lost + 1);
    assert_non_null(strstr(t.error, "no answer"));
    assert_true(world_now_ms(loop_world(loop)) - began >= SHORT_TIMEOUT_MS);
    run_for(500); /* it takes connections, but greets nobody */
    assert_false(redis_client_up(redis));
    redis_server_signal(&server, SIGCONT);
    do { /* so short a time may also be too short for a busy machine */
        t = (struct tally){0};
        assert_true(run_until(is_up, NULL));
        command(&t, "PING", NULL, NULL);
        wait_answers(&t, 1);
    } while (t.good == 0);
}

/* Asks again from within the answer, also from within the one that says that the connection is
 * lost. */
static void again(const struct redis_value *value, const struct err *err, void *user)
{
    struct tally *t = user;

    count(value, err, user);
    if (t->good + t->failed < 20)
        redis_command(redis, (struct slice[]){slice_of("PING")}, 1, again, user);
}

static void asking_from_within_an_answer(void **state)
{
    struct tally t = {0};

    (void)state;
    redis_command(redis, (struct slice[]){slice_of("PING")}, 1, again, &t);
    wait_answers(&t, 20);
    assert_int_equal(t.good, 20);
    t = (struct tally){0};
    redis_server_signal(&server, SIGSTOP);
    redis_command(redis, (struct slice[]){slice_of("PING")}, 1, again, &t);
    run_for(10);
    redis_server_kill(&server);
    wait_answers(&t, 20);
    assert_int_equal(t.failed, 20);
}

static void freed_with_commands_on_their_way(void **state)
{
    struct tally t = {0};

    (void)state;
    for (int i = 0; i < 10; i++)
        command(&t, "PING", NULL, NULL);
    redis_client_free(&redis);
    assert_int_equal(t.failed, 10);
    run_for(20);
    assert_int_equal(t.failed + t.good, 10);
}

static void free_client(const struct redis_value *value, const struct err *err, void *user)
{
    count(value, err, user);
    redis_client_free(&redis);
}

static void freed_from_within_an_answer(void **state)
{
    struct tally t = {0};

    (void)state;
    redis_command(redis, (struct slice[]){slice_of("PING")}, 1, free_client, &t);
    command(&t, "PING", NULL, NULL);
    command(&t, "PING", NULL, NULL);
    wait_answers(&t, 3);
    assert_int_equal(t.good, 1);
    assert_int_equal(t.failed, 2);
}

static void freed_when_the_connection_is_lost(void **state)
{
    struct tally t = {0};

    (void)state;
    redis_server_signal(&server, SIGSTOP);
    redis_command(redis, (struct slice[]){slice_of("PING")}, 1, free_client, &t);
    command(&t, "PING", NULL, NULL);
    run_for(10);
    redis_server_kill(&server);
    wait_answers(&t, 2);
    assert_int_equal(t.failed, 2);
}

static void large_and_binary(void **state)
{
    struct tally t = {0};
    size_t len = (size_t)3 << 20;
    char *bytes = malloc(len);

    (void)state;
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(i * 7);
    redis_command(redis, (struct slice[]){slice_of("SET"), slice_of("big"), {bytes, len}}, 3, count,
                  &t);
    command(&t, "GET", "big", NULL);
    wait_answers(&t, 2);
    assert_int_equal(t.good, 2);
    assert_int_equal(t.len, len);
    free(bytes);
}

static void a_host_that_refuses(void **state)
{
    struct err err = {0};
    struct tally t = {0};

    (void)state;
    redis_client_free(&redis);
    redis = redis_client_new(loop, "redis://localhost:1/2", "secret", TIMEOUT_MS, &err);
    assert_non_null(redis);
    assert_true(run_until(says, "refused"));
    assert_false(redis_client_up(redis));
    command(&t, "PING", NULL, NULL);
    wait_answers(&t, 1);
    assert_int_equal(t.failed, 1);
    redis_client_free(&redis);
    redis = redis_client_new(loop, "redis://no-such-host.invalid", NULL, TIMEOUT_MS, &err);
    run_for(1);
    redis_client_free(&redis); /* while it looks the name up */
    run_for(50);
    assert_null(redis_client_new(loop, "rediss://localhost", NULL, 0, &err));
}

static void a_password_that_nobody_asked_for(void **state)
{
    struct err err = {0};

    (void)state;
    redis_client_free(&redis);
    redis = redis_client_new(loop, server.url, "secret", TIMEOUT_MS, &err);
    assert_true(run_until(says, "AUTH"));
    assert_false(redis_client_up(redis));
}

struct kept {
    int answers;
    bool there;
    bool failed;
    char text[64];
};

static void keep(const struct slice *value, const struct err *err, void *user)
{
    struct kept *k = user;

    k->answers++;
    k->there = value != NULL;
    k->failed = err != NULL;
    if (value)
        snprintf(k->text, sizeof(k->text), "%.*s", SLICE_ARG(*value));
}

static bool is_kept(void *user)
{
    return ((struct kept *)user)->answers > 0;
}

static void expect_kept(struct kept *k, const char *text)
{
    assert_true(run_until(is_kept, k));
    assert_false(k->failed);
    assert_int_equal(k->answers, 1);
    assert_int_equal(k->there, text != NULL);
    if (text)
        assert_string_equal(k->text, text);
    *k = (struct kept){0};
}

static void results(void **state)
{
    struct result_store *s = result_store_new(redis, 60000);
    struct result_store *brief = result_store_new(redis, 1);
    struct kept k = {0};

    (void)state;
    result_store_put_record(s, "s1", "e1", slice_of("record"), keep, &k);
    expect_kept(&k, NULL);
    result_store_get_record(s, "s1", "e1", keep, &k);
    expect_kept(&k, "record");
    result_store_get_record(s, "s1", "e2", keep, &k);
    expect_kept(&k, NULL);
    result_store_put_tombstone(s, "s1", slice_of("{}"), keep, &k);
    expect_kept(&k, NULL);
    result_store_get_tombstone(s, "s1", keep, &k);
    expect_kept(&k, "{}");
    result_store_drop_tombstone(s, "s1", keep, &k);
    expect_kept(&k, NULL);
    result_store_get_tombstone(s, "s1", keep, &k);
    expect_kept(&k, NULL);
    result_store_put_record(brief, "s1", "e1", slice_of("record"), keep, &k);
    expect_kept(&k, NULL);
    run_for(50);
    result_store_get_record(s, "s1", "e1", keep, &k);
    expect_kept(&k, NULL); /* its time is over, of which `s` had given it more */
    result_store_free(&brief);
    redis_server_kill(&server);
    assert_true(run_until(is_down, NULL));
    result_store_get_record(s, "s1", "e1", keep, &k);
    result_store_free(&s); /* what is on its way still ends */
    assert_true(run_until(is_kept, &k));
    assert_true(k.failed);
}

static bool are_two(void *user)
{
    struct peers **p = user;

    return peers_count(p[0]) == 2 && peers_count(p[1]) == 2;
}

static bool is_alone(void *user)
{
    return peers_count(*(struct peers **)user) == 1;
}

static void live_gateways(void **state)
{
    struct peers *p[] = {peers_new(loop, redis, "here", "a"), peers_new(loop, redis, "here", "b")};
    int owned = 0;

    (void)state;
    assert_true(peers_own_duty(p[0], "x") &&
                peers_own_duty(p[1], "x")); /* alone, so far as known */
    assert_true(run_until(are_two, p));
    for (int i = 0; i < 1000; i++) {
        char id[16];
        snprintf(id, sizeof(id), "s-%d", i);
        assert_true(peers_own_duty(p[0], id) != peers_own_duty(p[1], id));
        owned += peers_own_duty(p[0], id);
    }
    assert_true(owned > 400 && owned < 600);
    peers_free(&p[1]); /* says good-bye */
    assert_true(run_until(is_alone, &p[0]));
    assert_true(peers_own_duty(p[0], "x"));
    peers_free(&p[0]);
}

static bool owns_everything(void *user)
{
    struct peers **p = user;
    char id[16];

    for (int i = 0; i < 100; i++) {
        snprintf(id, sizeof(id), "s-%d", i);
        if (!peers_own_duty(p[0], id) || !peers_own_duty(p[1], id))
            return false;
    }
    return true;
}

/* Duties may be done twice; the room that is left may not be shared among fewer. */
static void gateways_without_redis(void **state)
{
    struct peers *p[] = {peers_new(loop, redis, "there", "a"),
                         peers_new(loop, redis, "there", "b")};

    (void)state;
    assert_true(run_until(are_two, p));
    redis_server_kill(&server);
    assert_true(run_until(owns_everything, p));
    assert_true(are_two(p));
    peers_free(&p[0]);
    peers_free(&p[1]);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(values),
        TEST(no_connection),
        TEST(killed_with_commands_on_their_way),
        TEST(stopped_and_continued),
        TEST(asking_from_within_an_answer),
        TEST(freed_with_commands_on_their_way),
        TEST(freed_from_within_an_answer),
        TEST(freed_when_the_connection_is_lost),
        TEST(large_and_binary),
        TEST(a_host_that_refuses),
        TEST(a_password_that_nobody_asked_for),
        TEST(results),
        TEST(live_gateways),
        TEST(gateways_without_redis),
    };

    if (!redis_server_new(&server)) {
        fprintf(stderr, "redis-server does not start\n");
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    redis_server_free(&server);
    return failed;
}
