#include "unit.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clusters/embedded/exit_watch.h"
#include "loop_wait.h"

/* A process that was started by one that outlives it, as crun does it. */
struct family {
    pid_t child, parent;
    int release; /* closed: the parent goes */
};

static struct family found(int status)
{
    int pids[2], hold[2];
    struct family f = {0};

    assert_int_equal(pipe(pids), 0);
    assert_int_equal(pipe(hold), 0);
    f.parent = fork();
    if (f.parent == 0) {
        char byte;
        pid_t child = fork();

        if (child == 0)
            _exit(status);
        close(hold[1]);
        if (write(pids[1], &child, sizeof(child)) != sizeof(child) || read(hold[0], &byte, 1) != 0)
            abort();
        _exit(0);
    }
    assert_int_equal(read(pids[0], &f.child, sizeof(f.child)), sizeof(f.child));
    close(pids[0]);
    close(pids[1]);
    close(hold[0]);
    f.release = hold[1];
    return f;
}

struct fixture {
    struct loop *loop;
    struct exit_watch *watch;
    struct exit_watch_result seen;
    int count;
};

static void on_exit_seen(const struct exit_watch_result *r, void *user)
{
    struct fixture *f = user;

    f->seen = *r;
    f->count++;
    exit_watch_stop(&f->watch);
}

static bool was_told(void *user)
{
    return ((struct fixture *)user)->count > 0;
}

static int set_up(void **state)
{
    static struct fixture f;
    struct err err;

    f = (struct fixture){.loop = loop_new()};
    assert_int_equal(exit_watch_reap_orphans(&err), 0);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    exit_watch_stop(&f->watch);
    loop_free(&f->loop);
    return 0;
}

static void waits_for_the_parent_to_go(void **state)
{
    struct fixture *f = *state;
    struct family family = found(7);
    struct err err;

    assert_int_equal(exit_watch_start(f->loop, family.child, on_exit_seen, f, &f->watch, &err), 0);
    loop_wait_for(f->loop, 50);
    assert_int_equal(f->count, 0); /* ended, and not to be asked for yet */
    close(family.release);
    assert_true(loop_wait_until(f->loop, was_told, f, 5000));
    assert_true(f->seen.known);
    assert_int_equal(f->seen.exit_status, 7);
    assert_int_equal(f->seen.signal, 0);
    assert_int_equal(waitpid(family.parent, NULL, 0), family.parent);
}

static void gives_up_on_a_stranger(void **state)
{
    struct fixture *f = *state;
    struct family family = found(7);
    struct err err;

    assert_int_equal(exit_watch_start(f->loop, family.child, on_exit_seen, f, &f->watch, &err), 0);
    assert_true(loop_wait_until(f->loop, was_told, f, 20000));
    assert_false(f->seen.known);
    close(family.release);
    assert_int_equal(waitpid(family.parent, NULL, 0), family.parent);
    assert_int_equal(waitpid(family.child, NULL, 0), family.child);
}

static void tells_a_childs_signal(void **state)
{
    struct fixture *f = *state;
    struct err err;
    pid_t child = fork();

    if (child == 0) {
        pause();
        _exit(0);
    }
    assert_int_equal(exit_watch_start(f->loop, child, on_exit_seen, f, &f->watch, &err), 0);
    exit_watch_signal(f->watch, SIGTERM);
    assert_true(loop_wait_until(f->loop, was_told, f, 5000));
    assert_true(f->seen.known);
    assert_int_equal(f->seen.signal, SIGTERM);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(waits_for_the_parent_to_go),
        TEST(gives_up_on_a_stranger),
        TEST(tells_a_childs_signal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
