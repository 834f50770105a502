/* Against a real Redis of its own. */
#include "unit.h"

#include "loop_wait.h"
#include "redis_server.h"
#include "router/redis_client.h"
#include "router/route_record.h"

static struct redis_server server;
static struct loop *loop;
static struct redis_client *redis;
static struct route_records *records;

struct told {
    int times;
    bool failed;
    struct route_answer answer;
    struct route_item deletes[ROUTE_QUEUE_MAX];
    size_t count;
};

static void on_told(const struct route_answer *a, const struct err *err, void *user)
{
    struct told *t = user;
    t->times++;
    t->failed = err != NULL;
    t->answer = a ? *a : (struct route_answer){0};
}

static void on_deletes(const struct route_item *items, size_t count, const struct err *err,
                       void *user)
{
    struct told *t = user;
    t->times++;
    t->failed = err != NULL;
    t->count = count;
    memcpy(t->deletes, items, count * sizeof(*items));
}

static bool is_told(void *user)
{
    return ((struct told *)user)->times > 0;
}

static struct route_answer wait_for(struct told *t)
{
    assert_true(loop_wait_until(loop, is_told, t, 10000));
    assert_int_equal(t->times, 1);
    assert_false(t->failed);
    return t->answer;
}

static struct route_answer get(const char *id)
{
    struct told t = {0};
    route_record_get(records, id, on_told, &t);
    return wait_for(&t);
}

static struct route_record record(enum route_state state, const char *site, const char *epoch)
{
    struct route_record r = {.state = state};
    snprintf(r.site, sizeof(r.site), "%s", site);
    snprintf(r.epoch, sizeof(r.epoch), "%s", epoch);
    strcpy(r.tenant, "anna");
    strcpy(r.fingerprint, "f");
    return r;
}

/* True: written. */
static bool put(const char *id, struct route_record r, const char *instead_of)
{
    struct told t = {0};
    route_record_write(records, id, &r, instead_of, on_told, &t);
    return !wait_for(&t).found;
}

static void claim_commit_close_end(void **state)
{
    (void)state;
    assert_false(get("s1").found);
    assert_true(put("s1", record(ROUTE_PENDING, "cloud", "e1"), NULL));
    assert_true(put("s1", record(ROUTE_PENDING, "cloud", "e1"), NULL));  /* the same again */
    assert_false(put("s1", record(ROUTE_PENDING, "cloud", "e2"), NULL)); /* another's */
    assert_true(put("s1", record(ROUTE_ACTIVE, "cloud", "e1"), NULL));
    assert_false(put("s1", record(ROUTE_PENDING, "cloud", "e1"), NULL)); /* never back */
    struct route_answer a = get("s1");
    assert_true(a.found);
    assert_int_equal(a.record.state, ROUTE_ACTIVE);
    assert_string_equal(a.record.site, "cloud");
    assert_string_equal(a.record.epoch, "e1");
    assert_string_equal(a.record.tenant, "anna");
    assert_string_equal(a.record.fingerprint, "f");
    assert_true(put("s1", record(ROUTE_CLOSING, "cloud", "e1"), NULL));
    assert_false(put("s1", record(ROUTE_ACTIVE, "cloud", "e1"), NULL)); /* a late commit */
    assert_true(put("s1", record(ROUTE_GONE, "cloud", "e1"), NULL));
    assert_false(put("s1", record(ROUTE_ACTIVE, "cloud", "e1"), NULL));
}

static void ids_begin_anew_behind_their_end(void **state)
{
    (void)state;
    assert_true(put("s2", record(ROUTE_GONE, "cloud", "e1"), NULL));
    struct route_record others = record(ROUTE_PENDING, "cloud", "e2");
    strcpy(others.tenant, "bert");
    assert_false(put("s2", others, NULL)); /* another tenant's end still stands */
    assert_true(put("s2", record(ROUTE_PENDING, "cloud", "e2"), NULL));
    assert_false(put("s2", record(ROUTE_GONE, "cloud", "e1"), NULL)); /* an end that comes late */
    assert_string_equal(get("s2").record.epoch, "e2");
}

static void another_site_takes_over_by_naming_the_old_epoch(void **state)
{
    (void)state;
    assert_true(put("s3", record(ROUTE_PENDING, "cloud", "e1"), NULL));
    assert_false(put("s3", record(ROUTE_PENDING, "moon", "e2"), "e0"));
    assert_true(put("s3", record(ROUTE_PENDING, "moon", "e2"), "e1"));
    assert_string_equal(get("s3").record.site, "moon");
    assert_true(put("s3", record(ROUTE_ACTIVE, "moon", "e2"), NULL));
    assert_false(put("s3", record(ROUTE_GONE, "moon", "-"), "e2")); /* another took it into use */
}

static struct route_records *new_records(int64_t settle_ms)
{
    const struct route_records_conf conf = {
        .site = "local", .active_ms = 60000, .gone_ms = 60000, .settle_ms = settle_ms};
    return route_records_new(redis, &conf);
}

/* Other gateways may not have written yet what they could not write while it was away. */
static void a_redis_that_is_just_back_is_not_sure(void **state)
{
    struct told t = {0};
    struct route_records *settled = records;
    (void)state;
    route_records_mark_complete(records, on_told, &t);
    wait_for(&t);
    records = new_records((int64_t)3600 * 1000);
    struct route_answer a = get("nobody");
    route_records_free(&records);
    records = settled;
    assert_true(a.complete);
    assert_false(a.sure);
    assert_true(get("nobody").sure);
}

static void who_lives_is_more_than_who_would(void **state)
{
    (void)state;
    assert_true(put("s4", record(ROUTE_PENDING, "cloud", "e1"), NULL)); /* of one that died */
    assert_false(put("s4", record(ROUTE_GONE, "cloud", "e2"), NULL));
    assert_true(put("s4", record(ROUTE_ACTIVE, "cloud", "e2"), NULL));
    assert_false(put("s4", record(ROUTE_ACTIVE, "moon", "e3"), NULL));
    assert_string_equal(get("s4").record.epoch, "e2");
}

/* True: nobody stands in the way. */
static bool condemn(const char *id, const char *epoch)
{
    struct told t = {0};
    route_record_condemn(records, id, "cloud", epoch, on_told, &t);
    return !wait_for(&t).found;
}

static void what_is_condemned_nobody_takes(void **state)
{
    (void)state;
    assert_true(put("s5", record(ROUTE_PENDING, "cloud", "e1"), NULL));
    assert_false(condemn("s5", "e1")); /* somebody may find it */
    assert_true(put("s5", record(ROUTE_GONE, "cloud", "-"), "e1"));
    assert_true(condemn("s5", "e1"));
    assert_int_equal(get("s5").record.state, ROUTE_CLOSING);
    assert_false(put("s5", record(ROUTE_PENDING, "cloud", "e2"), NULL));
    assert_false(put("s5", record(ROUTE_ACTIVE, "cloud", "e1"), NULL));
    assert_true(put("s5", record(ROUTE_GONE, "cloud", "e1"), NULL));
    assert_false(condemn("s5", "e1")); /* its end is final */
    assert_int_equal(get("s5").record.state, ROUTE_GONE);
    assert_true(put("s5", record(ROUTE_ACTIVE, "cloud", "e3"), NULL));
    assert_false(condemn("s5", "e3"));
    assert_false(condemn("s5", "e1"));
    assert_string_equal(get("s5").record.epoch, "e3");
    assert_true(condemn("nobody", "e1"));
    assert_false(get("nobody").found);
}

static void an_empty_redis_is_not_sure(void **state)
{
    struct told t = {0};
    (void)state;
    assert_false(get("nobody").sure);
    route_records_mark_complete(records, on_told, &t);
    wait_for(&t);
    assert_true(get("nobody").sure);
    redis_server_kill(&server);
    assert_true(redis_server_start(&server));
    loop_wait_for(loop, 3000);
    struct route_answer a = get("s1");
    assert_false(a.found);
    assert_false(a.sure);
}

static void nothing_told(const struct redis_value *value, const struct err *err, void *user)
{
    (void)value;
    (void)err;
    (void)user;
}

static void set_field(const char *key, const char *field, const char *value)
{
    const struct slice set[] = {slice_of("HSET"), slice_of(key), slice_of(field), slice_of(value)};
    redis_command(redis, set, ARRAY_LEN(set), nothing_told, NULL);
}

static void expect_life(const char *id, const char *site, const char *epoch)
{
    struct route_answer a = get(id);
    assert_true(a.found);
    assert_int_equal(a.record.state, ROUTE_GONE);
    assert_string_equal(a.record.site, site);
    assert_string_equal(a.record.epoch, epoch);
    assert_string_equal(a.record.lived, "");
}

static void a_claim_does_not_make_an_earlier_life_forgotten(void **state)
{
    (void)state;
    assert_true(put("s9", record(ROUTE_GONE, "cloud", "e1"), NULL));
    assert_true(put("s9", record(ROUTE_PENDING, "moon", "e2"), NULL));
    assert_int_equal(get("s9").record.state, ROUTE_PENDING);
    assert_string_equal(get("s9").record.lived, "cloud");
    assert_true(put("s9", record(ROUTE_PENDING, "mars", "e3"), "e2")); /* the next site */
    assert_string_equal(get("s9").record.lived, "cloud");
    assert_true(put("s9", record(ROUTE_GONE, "mars", ROUTE_EPOCH_NONE), "e3")); /* taken back */
    expect_life("s9", "cloud", "e1");
    assert_true(put("s9", record(ROUTE_PENDING, "moon", "e4"), NULL));
    set_field("spillway:{s9}:r", "un", "1000"); /* its time is over */
    expect_life("s9", "cloud", "e1");
    assert_true(put("s9", record(ROUTE_PENDING, "moon", "e5"), NULL));
    assert_string_equal(get("s9").record.lived, "cloud");
    assert_true(put("s9", record(ROUTE_ACTIVE, "moon", "e5"), NULL));
    assert_string_equal(get("s9").record.lived, "");
    assert_true(put("s9", record(ROUTE_GONE, "moon", "e5"), NULL));
    expect_life("s9", "moon", "e5");
}

/* Who moves it from here knows more than the record does, but not of what came behind that. */
static void a_claim_may_name_an_earlier_life(void **state)
{
    (void)state;
    struct route_record claim = record(ROUTE_PENDING, "cloud", "e2");
    struct route_record taken_back = record(ROUTE_GONE, "cloud", ROUTE_EPOCH_NONE);
    strcpy(claim.lived, "home");
    strcpy(claim.lived_epoch, "e1");
    assert_true(put("s12", claim, NULL));
    assert_string_equal(get("s12").record.lived, "home");
    assert_true(put("s12", taken_back, "e2"));
    expect_life("s12", "home", "e1");
    assert_true(put("s12", record(ROUTE_ACTIVE, "cloud", "e3"), NULL));
    assert_true(put("s12", record(ROUTE_GONE, "cloud", "e3"), NULL));
    assert_true(put("s12", claim, NULL));
    assert_string_equal(get("s12").record.lived, "cloud");
    /* The claim itself was lost. */
    strcpy(taken_back.lived, "home");
    strcpy(taken_back.lived_epoch, "e1");
    assert_true(put("s13", taken_back, "e2"));
    expect_life("s13", "home", "e1");
}

/* It is not known to be absent, even where records are complete: the sites must be asked. */
static void what_is_damaged_is_not_sure(void **state)
{
    (void)state;
    struct told t = {0};
    route_records_mark_complete(records, on_told, &t);
    wait_for(&t);
    assert_true(put("d1", record(ROUTE_ACTIVE, "cloud", "e1"), NULL));
    assert_false(get("d1").damaged);
    assert_false(get("nobody").damaged);
    set_field("spillway:{d1}:r", "st", "neither");
    struct route_answer a = get("d1");
    assert_true(a.damaged);
    assert_false(a.found);
    assert_false(a.sure);
}

static void deletes_are_leased(void **state)
{
    static const struct route_item ONE = {"s5", "e5", true}, LATER = {"s6", "e6", false};
    struct told add = {0}, later = {0}, take = {0}, taken = {0}, back = {0}, done = {0}, none = {0};
    (void)state;
    route_queue_add(records, ROUTE_QUEUE_DELETES, "cloud", &ONE, 0, on_told, &add);
    route_queue_add(records, ROUTE_QUEUE_DELETES, "cloud", &LATER, 60000, on_told, &later);
    wait_for(&add);
    route_queue_take(records, ROUTE_QUEUE_DELETES, "cloud", 200, on_deletes, &take);
    wait_for(&take);
    assert_int_equal(take.count, 1);
    assert_string_equal(take.deletes[0].id, "s5");
    assert_string_equal(take.deletes[0].epoch, "e5");
    assert_true(take.deletes[0].wanted);
    route_queue_take(records, ROUTE_QUEUE_DELETES, "cloud", 200, on_deletes, &taken);
    wait_for(&taken);
    assert_int_equal(taken.count, 0); /* somebody works on it */
    loop_wait_for(loop, 300);
    route_queue_take(records, ROUTE_QUEUE_DELETES, "cloud", 1, on_deletes, &back);
    wait_for(&back);
    assert_int_equal(back.count, 1); /* who died, it seems */
    route_queue_done(records, ROUTE_QUEUE_DELETES, "cloud", &ONE, on_told, &done);
    wait_for(&done);
    loop_wait_for(loop, 20);
    route_queue_take(records, ROUTE_QUEUE_DELETES, "cloud", 1, on_deletes, &none);
    wait_for(&none);
    assert_int_equal(none.count, 0);
}

static void without_redis_every_question_is_answered(void **state)
{
    struct told t = {0};
    (void)state;
    redis_server_kill(&server);
    route_record_get(records, "s1", on_told, &t);
    assert_true(loop_wait_until(loop, is_told, &t, 10000));
    assert_int_equal(t.times, 1);
    assert_true(t.failed);
}

static bool is_up(void *user)
{
    (void)user;
    return redis_client_up(redis);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(claim_commit_close_end),
        cmocka_unit_test(ids_begin_anew_behind_their_end),
        cmocka_unit_test(another_site_takes_over_by_naming_the_old_epoch),
        cmocka_unit_test(a_claim_does_not_make_an_earlier_life_forgotten),
        cmocka_unit_test(a_claim_may_name_an_earlier_life),
        cmocka_unit_test(who_lives_is_more_than_who_would),
        cmocka_unit_test(what_is_condemned_nobody_takes),
        cmocka_unit_test(deletes_are_leased),
        cmocka_unit_test(an_empty_redis_is_not_sure),
        cmocka_unit_test(a_redis_that_is_just_back_is_not_sure),
        cmocka_unit_test(what_is_damaged_is_not_sure),
        cmocka_unit_test(without_redis_every_question_is_answered),
    };
    struct err err;
    signal(SIGPIPE, SIG_IGN);
    if (!redis_server_new(&server))
        return 77;
    loop = loop_new();
    redis = redis_client_new(loop, server.url, NULL, 500, &err);
    records = new_records(0);
    if (!loop_wait_until(loop, is_up, NULL, 10000))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    route_records_free(&records);
    redis_client_free(&redis);
    loop_free(&loop);
    redis_server_free(&server);
    return failed;
}
