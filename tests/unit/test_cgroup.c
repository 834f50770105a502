/* The file layout of both versions, in a directory of our own: version 2 cannot be had on every
 * machine. */
#include "private_dir.h"

#include "clusters/embedded/cgroup.h"
#include <stdio.h>
#include <sys/stat.h>

static void version_1(void **state)
{
    (void)state;
    private_dir_run("mkdir -p memory/s/u pids/s/u/inner cpu/s; ln -s cpu cpuacct;");
    private_dir_run("printf 'oom_kill_disable 0\\nunder_oom 0\\noom_kill 3\\n' > "
                    "memory/s/u/memory.oom_control");
    assert_int_equal(cgroup_oom_kills(private_dir, "/s/u"), 3);
    assert_int_equal(cgroup_oom_kills(private_dir, "/s/none"), 0);
    assert_false(cgroup_limits_swap(private_dir));
    private_dir_run("touch memory/memory.memsw.limit_in_bytes");
    assert_true(cgroup_limits_swap(private_dir));
    assert_true(cgroup_remove(private_dir, "/s/u"));
    private_dir_run("test ! -e memory/s/u -a ! -e pids/s/u -a -d cpu/s");
}

static void version_2(void **state)
{
    (void)state;
    private_dir_run("mkdir -p s/u; echo 'cpu memory pids' > cgroup.controllers;");
    private_dir_run("printf 'low 0\\noom 1\\noom_kill 2\\n' > s/u/memory.events");
    assert_int_equal(cgroup_oom_kills(private_dir, "/s/u"), 2);
    assert_true(cgroup_remove(private_dir, "/s/u"));
    private_dir_run("test ! -e s/u -a -d s");
}

static void note_child(const char *name, void *user)
{
    snprintf((char *)user + strlen(user), 100 - strlen(user), "%s ", name);
}

static void children(void **state)
{
    char names[100] = "";

    (void)state;
    private_dir_run("mkdir -p memory/s/u1 pids/s/u2;");
    cgroup_children(private_dir, "/s", note_child, names);
    assert_non_null(strstr(names, "u1 "));
    assert_non_null(strstr(names, "u2 "));
}

static void finds_children(void **state)
{
    char command[200];
    pid_t pids[2], child = fork();

    (void)state;
    if (child == 0) {
        pause();
        _exit(0);
    }
    assert_true(child > 0);
    snprintf(command, sizeof command,
             "mkdir -p memory/s/u pids/s/u; printf '1\\n%d\\n' > memory/s/u/cgroup.procs; "
             "cp memory/s/u/cgroup.procs pids/s/u/",
             (int)child);
    private_dir_run(command);
    assert_int_equal(cgroup_find_children(private_dir, "/s/u", getpid(), pids, 2), 1);
    assert_int_equal(pids[0], child);
    assert_int_equal(cgroup_find_children(private_dir, "/s/u", child, pids, 2), 0);
    assert_int_equal(cgroup_find_children(private_dir, "/s/other", getpid(), pids, 2), 0);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void holds(void **state)
{
    (void)state;
    assert_false(cgroup_holds(getpid(), "/no-such-cgroup"));
    assert_false(cgroup_holds(0, "/"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(version_1, private_dir_make, private_dir_remove),
        cmocka_unit_test_setup_teardown(version_2, private_dir_make, private_dir_remove),
        cmocka_unit_test_setup_teardown(children, private_dir_make, private_dir_remove),
        cmocka_unit_test_setup_teardown(finds_children, private_dir_make, private_dir_remove),
        cmocka_unit_test(holds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
