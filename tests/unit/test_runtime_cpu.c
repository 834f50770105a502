/* The files of version 1, in a directory of our own. */
#include "unit.h"

#include "clusters/embedded/oci_spec.h"
#include "clusters/embedded/runtime_cpu.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct oci_spec_cpu CPU = {
    .quota_us = 75000, .programs_quota_us = 50000, .period_us = 100000, .shares = 512};
static char mount_dir[64];

static void run(const char *script)
{
    char command[500];

    snprintf(command, sizeof command, "cd %s && %s", mount_dir, script);
    assert_int_equal(system(command), 0);
}

static int make(void **state)
{
    (void)state;
    snprintf(mount_dir, sizeof mount_dir, "/tmp/spillway-cgroup-XXXXXX");
    return mkdtemp(mount_dir) ? 0 : -1;
}

static int unmake(void **state)
{
    char command[100];

    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", mount_dir);
    return system(command);
}

static void the_programs_get_what_was_asked_for(void **state)
{
    struct err err = {.code = ERR_NONE};

    (void)state;
    run("mkdir cpu");
    assert_int_equal(runtime_cpu_make(mount_dir, "/s/site/u", &CPU, &err), 0);
    run("test $(cat cpu/s/site/u/cpu.cfs_quota_us) = 200000"); /* while it starts */
    run("test $(cat cpu/s/site/u/cpu.cfs_period_us) = 100000");
    run("test $(cat cpu/s/site/u/cpu.shares) = 512");
    run("test $(cat cpu/s/site/u/programs/cpu.cfs_quota_us) = 50000");
    assert_int_equal(runtime_cpu_make(mount_dir, "/s/site/u", &CPU, &err), 0);
    assert_int_equal(runtime_cpu_divide(mount_dir, "/s/site/u", &CPU, getpid(), &err), 0);
    run("test $(cat cpu/s/site/u/cpu.cfs_quota_us) = 75000");
}

static void nothing_is_divided_without_an_overhead(void **state)
{
    const struct oci_spec_cpu whole = {.quota_us = 50000, .programs_quota_us = 50000};
    struct err err = {.code = ERR_NONE};

    (void)state;
    run("mkdir cpu");
    assert_int_equal(runtime_cpu_make(mount_dir, "/s/u", &whole, &err), 0);
    run("test ! -e cpu/s");
    run("rmdir cpu"); /* version 2 */
    assert_int_equal(runtime_cpu_make(mount_dir, "/s/u", &CPU, &err), 0);
    run("test ! -e s");
    assert_int_equal(runtime_cpu_divide(mount_dir, "/s/u", &CPU, getpid(), &err), 0);
    run("test ! -e s");
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
    run("mkdir cpu");
    assert_int_equal(runtime_cpu_make(mount_dir, "/s/u", &CPU, &err), 0);
    snprintf(script, sizeof script, "printf '%d\\n%d\\n%d\\n' >cpu/s/u/cgroup.procs", (int)second,
             (int)first, (int)getpid());
    run(script);
    assert_int_equal(runtime_cpu_divide(mount_dir, "/s/u", &CPU, getpid(), &err), 0);
    snprintf(script, sizeof script, "test $(cat cpu/s/u/programs/cgroup.procs) = %d", (int)first);
    run(script);
    kill(first, SIGKILL);
    kill(second, SIGKILL);
    while (wait(NULL) > 0)
        ;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_programs_get_what_was_asked_for, make, unmake),
        cmocka_unit_test_setup_teardown(nothing_is_divided_without_an_overhead, make, unmake),
        cmocka_unit_test_setup_teardown(the_first_child_goes_there, make, unmake),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
