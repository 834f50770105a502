/* The files of version 1, in a directory of our own. */
#include "private_dir.h"

#include "clusters/embedded/oci_spec.h"
#include "clusters/embedded/runtime_cpu.h"
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct oci_spec_cpu CPU = {
    .quota_us = 75000, .programs_quota_us = 50000, .period_us = 100000, .shares = 512};

static void the_programs_get_what_was_asked_for(void **state)
{
    struct err err = {.code = ERR_NONE};

    (void)state;
    private_dir_run("mkdir cpu");
    assert_int_equal(runtime_cpu_make(private_dir, "/s/site/u", &CPU, &err), 0);
    private_dir_run("test $(cat cpu/s/site/u/cpu.cfs_quota_us) = 200000"); /* while it starts */
    private_dir_run("test $(cat cpu/s/site/u/cpu.cfs_period_us) = 100000");
    private_dir_run("test $(cat cpu/s/site/u/cpu.shares) = 512");
    private_dir_run("test $(cat cpu/s/site/u/programs/cpu.cfs_quota_us) = 50000");
    assert_int_equal(runtime_cpu_make(private_dir, "/s/site/u", &CPU, &err), 0);
    assert_int_equal(runtime_cpu_divide(private_dir, "/s/site/u", &CPU, getpid(), &err), 0);
    private_dir_run("test $(cat cpu/s/site/u/cpu.cfs_quota_us) = 75000");
}

static void nothing_is_divided_without_an_overhead(void **state)
{
    const struct oci_spec_cpu whole = {.quota_us = 50000, .programs_quota_us = 50000};
    struct err err = {.code = ERR_NONE};

    (void)state;
    private_dir_run("mkdir cpu");
    assert_int_equal(runtime_cpu_make(private_dir, "/s/u", &whole, &err), 0);
    private_dir_run("test ! -e cpu/s");
    private_dir_run("rmdir cpu"); /* version 2 */
    assert_int_equal(runtime_cpu_make(private_dir, "/s/u", &CPU, &err), 0);
    private_dir_run("test ! -e s");
    assert_int_equal(runtime_cpu_divide(private_dir, "/s/u", &CPU, getpid(), &err), 0);
    private_dir_run("test ! -e s");
}

static pid_t sleeper(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        alarm(20); /* a test that fails does not get to its end */
        pause();
        _exit(0);
    }
    return pid;
}

static void the_first_child_goes_there(void **state)
{
    struct err err = {.code = ERR_NONE};
    char script[300];
    pid_t first = sleeper(), second = 0;

    (void)state;
    usleep(50000); /* a tick of the clock that starts are counted in */
    second = sleeper();
    private_dir_run("mkdir cpu");
    assert_int_equal(runtime_cpu_make(private_dir, "/s/u", &CPU, &err), 0);
    snprintf(script, sizeof script, "printf '%d\\n%d\\n%d\\n' >cpu/s/u/cgroup.procs", (int)second,
             (int)first, (int)getpid());
    private_dir_run(script);
    assert_int_equal(runtime_cpu_divide(private_dir, "/s/u", &CPU, getpid(), &err), 0);
    snprintf(script, sizeof script, "test $(cat cpu/s/u/programs/cgroup.procs) = %d", (int)first);
    private_dir_run(script);
    kill(first, SIGKILL);
    kill(second, SIGKILL);
    while (wait(NULL) > 0)
        ;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_programs_get_what_was_asked_for, private_dir_make,
                                        private_dir_remove),
        cmocka_unit_test_setup_teardown(nothing_is_divided_without_an_overhead, private_dir_make,
                                        private_dir_remove),
        cmocka_unit_test_setup_teardown(the_first_child_goes_there, private_dir_make,
                                        private_dir_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
