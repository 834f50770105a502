#include "unit.h"

#include "base/loop.h"

#include <time.h>

struct fixture {
    struct loop *loop;
    struct world *world;
    struct timer *timer, *other;
    int fired, deferred, signals;
};

static int set_up(void **state)
{
    static struct fixture f;
    f = (struct fixture){.loop = loop_new()};
    f.world = loop_world(f.loop);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    timer_free(f->world, &f->timer);
    timer_free(f->world, &f->other);
    loop_free(&f->loop);
    assert_null(f->loop);
    return 0;
}

static void stop(void *user)
{
    struct fixture *f = user;
    loop_stop(f->loop);
}

static void count_to_three(void *user)
{
    struct fixture *f = user;
    if (++f->fired == 3)
        loop_stop(f->loop);
}

static void a_timer_repeats_until_it_is_stopped(void **state)
{
    struct fixture *f = *state;
    f->timer = timer_new(f->world, count_to_three, f);
    timer_start(f->world, f->timer, 0, 1);
    assert_int_equal(f->fired, 0); /* never before the call returned */
    loop_run(f->loop);
    assert_int_equal(f->fired, 3);
    timer_stop(f->world, f->timer);
    f->other = timer_new(f->world, stop, f);
    timer_start(f->world, f->other, 20, 0);
    loop_run(f->loop);
    assert_int_equal(f->fired, 3);
}

static void free_own_timer(void *user)
{
    struct fixture *f = user;
    timer_free(f->world, &f->timer);
    loop_stop(f->loop);
}

static void a_timer_may_free_itself(void **state)
{
    struct fixture *f = *state;
    f->timer = timer_new(f->world, free_own_timer, f);
    timer_start(f->world, f->timer, 1, 0);
    loop_run(f->loop);
    assert_null(f->timer);
}

static void note_deferred(void *user)
{
    struct fixture *f = user;
    f->deferred++;
}

static void stop_after_deferring(void *user)
{
    struct fixture *f = user;
    loop_defer(f->loop, note_deferred, f);
    assert_int_equal(f->deferred, 0);
    loop_defer(f->loop, stop, f);
}

static void what_is_deferred_runs_after_the_callback(void **state)
{
    struct fixture *f = *state;
    f->timer = timer_new(f->world, stop_after_deferring, f);
    timer_start(f->world, f->timer, 1, 0);
    loop_run(f->loop);
    assert_int_equal(f->deferred, 1);
}

static void defer_again(void *user)
{
    struct fixture *f = user;
    if (++f->deferred < 1000)
        loop_defer(f->loop, defer_again, f);
    else
        loop_stop(f->loop);
}

static void what_defers_itself_does_not_wait_for_events(void **state)
{
    struct fixture *f = *state;
    loop_defer(f->loop, defer_again, f);
    loop_run(f->loop);
    assert_int_equal(f->deferred, 1000);
}

static void freeing_the_loop_runs_what_is_deferred(void **state)
{
    struct fixture *f = *state;
    loop_defer(f->loop, note_deferred, f);
    loop_free(&f->loop);
    assert_int_equal(f->deferred, 1);
    f->loop = loop_new();
    f->world = loop_world(f->loop);
}

static void note_signal(void *user)
{
    struct fixture *f = user;
    f->signals++;
    loop_stop(f->loop);
}

static void signals_arrive_on_the_loop(void **state)
{
    struct fixture *f = *state;
    loop_on_signal(f->loop, SIGUSR1, note_signal, f);
    raise(SIGUSR1);
    assert_int_equal(f->signals, 0);
    loop_run(f->loop);
    assert_int_equal(f->signals, 1);
}

static void block_for_30_ms(void *user)
{
    struct fixture *f = user;
    nanosleep(&(struct timespec){.tv_nsec = 30 * 1000 * 1000}, NULL);
    timer_start(f->world, f->other, 5, 0); /* one more turn, in which this one is measured */
}

static void a_callback_that_blocks_shows_as_lag(void **state)
{
    struct fixture *f = *state;
    f->timer = timer_new(f->world, block_for_30_ms, f);
    f->other = timer_new(f->world, stop, f);
    timer_start(f->world, f->other, 200, 0); /* waiting is no lag */
    loop_run(f->loop);
    int64_t idle_lag = loop_take_worst_lag_ms(f->loop);
    assert_true(idle_lag < 100);
    timer_start(f->world, f->timer, 1, 0);
    loop_run(f->loop);
    assert_true(loop_take_worst_lag_ms(f->loop) >= 29);
    assert_int_equal(loop_take_worst_lag_ms(f->loop), 0);
}

static void a_stop_before_the_run_counts(void **state)
{
    struct fixture *f = *state;
    loop_stop(f->loop);
    loop_run(f->loop);
}

static void the_world_is_the_real_one(void **state)
{
    struct fixture *f = *state;
    int64_t wall = world_wall_ms(f->world);
    assert_true(wall / 1000 >= (int64_t)time(NULL) - 2 && wall / 1000 <= (int64_t)time(NULL) + 2);
    char one[65], other[65];
    world_random_hex(f->world, one, 32);
    world_random_hex(f->world, other, 32);
    assert_int_equal(strlen(one), 64);
    assert_string_not_equal(one, other);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_timer_repeats_until_it_is_stopped),
        TEST(a_timer_may_free_itself),
        TEST(what_is_deferred_runs_after_the_callback),
        TEST(what_defers_itself_does_not_wait_for_events),
        TEST(freeing_the_loop_runs_what_is_deferred),
        TEST(signals_arrive_on_the_loop),
        TEST(a_callback_that_blocks_shows_as_lag),
        TEST(a_stop_before_the_run_counts),
        TEST(the_world_is_the_real_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
