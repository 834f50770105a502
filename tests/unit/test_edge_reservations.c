/* Against a real Redis: several gateways, each with what it sees. */
#include "unit.h"

#include "loop_wait.h"
#include "redis_server.h"
#include "router/edge_reservations.h"
#include "router/redis_client.h"

#define GATEWAYS  3
#define SESSIONS  64
#define SETTLE_MS 200

struct gateway {
    struct redis_client *redis;
    struct edge_reservations *edge;
    int64_t room;               /* without what it sees */
    const char *seen[SESSIONS]; /* pods in its watch */
    int seen_count;
    int granted, refused, unknown;
};

static struct redis_server server;
static struct loop *loop;
static struct gateway gateways[GATEWAYS];

static int64_t room(void *user)
{
    struct gateway *g = user;

    return g->room - g->seen_count;
}

static bool sees(const char *session_id, void *user)
{
    struct gateway *g = user;

    for (int i = 0; i < g->seen_count; i++)
        if (strcmp(g->seen[i], session_id) == 0)
            return true;
    return false;
}

static const struct edge_view VIEW = {room, sees};

static void count(enum edge_answer answer, void *user)
{
    struct gateway *g = user;

    g->granted += answer == EDGE_GRANTED;
    g->refused += answer == EDGE_REFUSED;
    g->unknown += answer == EDGE_UNKNOWN;
}

static bool all_up(void *user)
{
    (void)user;
    for (int i = 0; i < GATEWAYS; i++)
        if (!redis_client_up(gateways[i].redis))
            return false;
    return true;
}

static bool all_down(void *user)
{
    (void)user;
    for (int i = 0; i < GATEWAYS; i++)
        if (redis_client_up(gateways[i].redis))
            return false;
    return true;
}

static int answers(void)
{
    int sum = 0;

    for (int i = 0; i < GATEWAYS; i++)
        sum += gateways[i].granted + gateways[i].refused + gateways[i].unknown;
    return sum;
}

static bool are_answered(void *user)
{
    return answers() >= *(int *)user;
}

static void wait_answers(int n)
{
    assert_true(loop_wait_until(loop, are_answered, &n, 20000));
    loop_wait_for(loop, 20); /* nothing may come twice */
    assert_int_equal(answers(), n);
}

static int granted(void)
{
    return gateways[0].granted + gateways[1].granted + gateways[2].granted;
}

static int start(void **state)
{
    struct err err = {0};

    (void)state;
    if (!redis_server_new(&server))
        return -1;
    loop = loop_new();
    for (int i = 0; i < GATEWAYS; i++) {
        gateways[i] = (struct gateway){.room = 4};
        gateways[i].redis = redis_client_new(loop, server.url, NULL, 500, &err);
        gateways[i].edge = edge_reservations_new(gateways[i].redis, "here", 60000, SETTLE_MS);
    }
    return loop_wait_until(loop, all_up, NULL, 20000) ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    for (int i = 0; i < GATEWAYS; i++) {
        edge_reservations_free(&gateways[i].edge);
        redis_client_free(&gateways[i].redis);
    }
    loop_free(&loop);
    redis_server_free(&server);
    return 0;
}

static void take(int gateway, const char *session_id)
{
    edge_reservations_take(gateways[gateway].edge, session_id, &VIEW, count, &gateways[gateway]);
}

/* Nobody sees anything yet: of 64 at once exactly as many as there is room. */
static void a_burst_takes_the_room_and_no_more(void **state)
{
    static char ids[SESSIONS][16];

    (void)state;
    for (int i = 0; i < SESSIONS; i++) {
        snprintf(ids[i], sizeof(ids[i]), "s%d", i);
        take(i % GATEWAYS, ids[i]);
    }
    assert_int_equal(answers(), 0);
    wait_answers(SESSIONS);
    assert_int_equal(granted(), 4);
    take(0, "s0"); /* again, as after a lost answer: it has its place */
    wait_answers(SESSIONS + 1);
    assert_int_equal(granted(), 5);
}

/* What a gateway sees is in the room that it sees: counted once, not twice. */
static void seen_pods_are_not_counted_twice(void **state)
{
    (void)state;
    take(0, "a");
    take(1, "b");
    take(2, "c");
    wait_answers(3);
    assert_int_equal(granted(), 3);
    gateways[0].seen[gateways[0].seen_count++] = "a";
    gateways[0].seen[gateways[0].seen_count++] = "b";
    take(0, "d"); /* sees two of three, room for two: the third is on its way */
    wait_answers(4);
    assert_int_equal(granted(), 4);
    take(0, "e");
    take(1, "f");
    wait_answers(6);
    assert_int_equal(granted(), 4);
    gateways[1].room = 5; /* a pod of before went: there is room again */
    take(1, "f");
    wait_answers(7);
    assert_int_equal(granted(), 5);
}

static void places_are_given_back(void **state)
{
    (void)state;
    gateways[0].room = gateways[1].room = 1;
    take(0, "a");
    wait_answers(1);
    take(1, "b");
    wait_answers(2);
    assert_int_equal(granted(), 1);
    edge_reservations_release(gateways[0].edge, "a"); /* its create failed */
    loop_wait_for(loop, 50);
    take(1, "b");
    wait_answers(3);
    assert_int_equal(granted(), 2);
    edge_reservations_seen(gateways[1].edge, "b");
    edge_reservations_seen(gateways[1].edge, "nobody");
    loop_wait_for(loop, 20);
    take(0, "c"); /* b's pod is not in this watch yet: it still counts … */
    wait_answers(4);
    assert_int_equal(granted(), 2);
    loop_wait_for(loop, SETTLE_MS + 50);
    take(0, "c"); /* … for a moment */
    wait_answers(5);
    assert_int_equal(granted(), 3);
}

static void notes_count(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        edge_reservations_note(gateways[0].edge, (const char *[]){"a", "b", "c", "d"}[i]);
    take(0, "e"); /* the same connection: behind the notes */
    wait_answers(1);
    assert_int_equal(granted(), 0);
}

static void without_redis_nothing_is_known(void **state)
{
    (void)state;
    redis_server_kill(&server);
    assert_true(loop_wait_until(loop, all_down, NULL, 20000));
    take(0, "a");
    edge_reservations_note(gateways[0].edge, "b");
    edge_reservations_seen(gateways[0].edge, "b");
    edge_reservations_release(gateways[0].edge, "b");
    wait_answers(1);
    assert_int_equal(gateways[0].unknown, 1);
}

static void freed_while_asking(void **state)
{
    (void)state;
    take(0, "a");
    edge_reservations_free(&gateways[0].edge);
    loop_wait_for(loop, 50);
    assert_int_equal(answers(), 0);
}

static void near_and_share(void **state)
{
    (void)state;
    assert_true(edge_is_near(11, 0, 3));
    assert_false(edge_is_near(12, 0, 3));
    assert_true(edge_is_near(12, 4, 3)); /* own share is on its way */
    assert_false(edge_is_near(300, 99, 3));
    assert_true(edge_is_near(300, 100, 3));
    assert_true(edge_is_near(3, 0, 1));
    assert_false(edge_is_near(4, 0, 1));
    assert_true(edge_is_near(0, 0, 0));

    assert_true(edge_share_allows(4, 0, 3));
    assert_false(edge_share_allows(4, 1, 3));
    assert_true(edge_share_allows(1, 0, 3));
    assert_false(edge_share_allows(1, 1, 3));
    assert_true(edge_share_allows(9, 2, 3));
    assert_false(edge_share_allows(9, 3, 3));
    assert_true(edge_share_allows(9, 8, 1));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_burst_takes_the_room_and_no_more),
        TEST(seen_pods_are_not_counted_twice),
        TEST(places_are_given_back),
        TEST(notes_count),
        TEST(without_redis_nothing_is_known),
        TEST(freed_while_asking),
        cmocka_unit_test(near_and_share),
    };

    signal(SIGPIPE, SIG_IGN); /* as the programs do: hiredis writes to who is gone */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
