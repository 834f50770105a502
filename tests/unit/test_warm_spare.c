#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/control_socket.h"
#include "sandbox/warm_spare.h"

/* A spare whose other end the test plays. */
struct fixture {
    struct loop *loop;
    struct warm_spare spare;
    struct launched out;
    int theirs;
    pid_t process; /* what stands for its leader */
};

static const struct slice MESSAGE = {"run", 3};

static void heard(void *user)
{
    (void)user;
}

static int set_up(void **state)
{
    static struct fixture f;
    int ours;

    f = (struct fixture){.loop = loop_new()};
    f.process = fork();
    if (f.process == 0) {
        pause();
        _exit(0);
    }
    warm_spare_init(&f.spare);
    assert_true(control_socket_pair(&ours, &f.theirs));
    f.spare.control = fd_watch_new(f.loop, ours, heard, NULL);
    f.spare.launched.leader = f.process;
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    warm_spare_drop(&f->spare);
    kill(f->process, SIGKILL);
    waitpid(f->process, NULL, 0);
    close(f->theirs);
    loop_free(&f->loop);
    return 0;
}

static ssize_t say(struct fixture *f, const char *word)
{
    return send(f->theirs, word, 1, MSG_NOSIGNAL);
}

static void begins_when_it_says_so(void **state)
{
    struct fixture *f = *state;

    say(f, "R");
    say(f, "T");
    assert_int_equal(warm_spare_give(&f->spare, MESSAGE, 0, &f->out), WARM_SPARE_BEGINS);
    assert_int_equal(f->out.leader, f->process);
    assert_false(warm_spare_is_there(&f->spare));
    assert_int_equal(kill(f->process, 0), 0);
}

/* Who was silent for too long cannot begin behind our back, however late it wakes. */
static void who_is_silent_cannot_begin_any_more(void **state)
{
    struct fixture *f = *state;
    char heard_message[8];

    say(f, "R");
    assert_int_equal(warm_spare_give(&f->spare, MESSAGE, 20, &f->out), WARM_SPARE_SILENT);
    assert_int_equal(recv(f->theirs, heard_message, sizeof(heard_message), 0), MESSAGE.len);
    assert_int_equal(say(f, "T"), -1);
    assert_int_equal(errno, EPIPE);
}

static void who_is_gone_has_ended(void **state)
{
    struct fixture *f = *state;

    close(f->theirs);
    f->theirs = -1;
    assert_int_equal(warm_spare_give(&f->spare, MESSAGE, 1000, &f->out), WARM_SPARE_ENDED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(begins_when_it_says_so),
        TEST(who_is_silent_cannot_begin_any_more),
        TEST(who_is_gone_has_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
