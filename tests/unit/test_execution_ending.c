#include "unit.h"

#include "base/json.h"
#include "sandbox/execution_ending.h"
#include "sandbox/launcher.h"

#include <errno.h>

#define EXITED(code)   ((code) << 8)
#define SIGNALLED(sig) (sig)

static void statuses(void **state)
{
    (void)state;
    const struct {
        struct execution_ending ending;
        const char *status;
    } rows[] = {
        {{.cause = EXECUTION_BY_EXIT, .has_wait_status = true, .wait_status = EXITED(0)},
         "completed"},
        {{.cause = EXECUTION_BY_EXIT, .has_wait_status = true, .wait_status = EXITED(1)}, "failed"},
        {{.cause = EXECUTION_BY_EXIT, .has_wait_status = true, .wait_status = SIGNALLED(SIGSEGV)},
         "killed"},
        {{.cause = EXECUTION_BY_EXIT, .has_wait_status = true, .wait_status = SIGNALLED(SIGKILL)},
         "killed"},
        {{.cause = EXECUTION_BY_EXIT,
          .has_wait_status = true,
          .wait_status = SIGNALLED(SIGKILL),
          .memory_killed = true},
         "oom"},
        {{.cause = EXECUTION_BY_EXIT,
          .has_wait_status = true,
          .wait_status = SIGNALLED(SIGSEGV),
          .memory_killed = true},
         "killed"},
        {{.cause = EXECUTION_BY_TIMEOUT, .has_wait_status = true, .wait_status = EXITED(0)},
         "timeout"},
        {{.cause = EXECUTION_BY_CANCEL}, "killed"},
        {{.cause = EXECUTION_BY_DEADLINE}, "killed"},
        {{.cause = EXECUTION_BY_LOSS}, "killed"},
        {{.cause = EXECUTION_BY_FAILURE, .launch_errno = ENOENT}, "failed"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(execution_ending_status(&rows[i].ending), rows[i].status);
}

static void what_exited_had_ended_by_itself(void **state)
{
    (void)state;
    const struct {
        struct execution_ending ending;
        const char *status;
    } rows[] = {
        {{.cause = EXECUTION_BY_TIMEOUT, .has_wait_status = true, .wait_status = EXITED(0)},
         "completed"},
        {{.cause = EXECUTION_BY_CANCEL, .has_wait_status = true, .wait_status = EXITED(3)},
         "failed"},
        {{.cause = EXECUTION_BY_DEADLINE, .has_wait_status = true, .wait_status = EXITED(0)},
         "completed"},
        {{.cause = EXECUTION_BY_TIMEOUT,
          .has_wait_status = true,
          .wait_status = SIGNALLED(SIGKILL)},
         "timeout"},
        {{.cause = EXECUTION_BY_CANCEL}, "killed"},
        {{.cause = EXECUTION_BY_TIMEOUT,
          .has_wait_status = true,
          .wait_status = EXITED(0),
          .compiling = true},
         "timeout"},
        {{.cause = EXECUTION_BY_CANCEL,
          .has_wait_status = true,
          .wait_status = EXITED(0),
          .context = EXECUTION_CONTEXT_ENDED},
         "killed"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct execution_ending n = rows[i].ending;
        execution_ending_settle(&n);
        assert_string_equal(execution_ending_status(&n), rows[i].status);
    }
}

static void an_exit_code_is_never_invented(void **state)
{
    (void)state;
    struct json_t *j = json_new_object();
    struct execution_ending lost = {.cause = EXECUTION_BY_LOSS};
    execution_ending_print(&lost, (struct slice){0}, j);
    assert_true(json_is_null(json_get(j, "exit_code")));
    assert_true(json_is_null(json_get(j, "signal")));
    struct execution_ending killed = {
        .cause = EXECUTION_BY_EXIT, .has_wait_status = true, .wait_status = SIGNALLED(SIGSEGV)};
    execution_ending_print(&killed, (struct slice){0}, j);
    assert_true(json_is_null(json_get(j, "exit_code")));
    assert_string_equal(json_text(json_get(j, "signal")), "SIGSEGV");
    execution_ending_print(NULL, slice_of("R1\nx"), j); /* while it runs nothing is known */
    assert_true(json_is_null(json_get(j, "result")));
    /* Exit status 127 of a launch that failed is ours, not the code's. */
    struct execution_ending failed = {.cause = EXECUTION_BY_FAILURE,
                                      .has_wait_status = true,
                                      .wait_status = EXITED(127),
                                      .launch_errno = ENOENT,
                                      .launch_step = LAUNCH_STEP_EXEC};
    execution_ending_print(&failed, (struct slice){0}, j);
    assert_true(json_is_null(json_get(j, "exit_code")));
    assert_string_equal(json_text(json_at(j, "error", "name", NULL)), "LaunchError");
    json_free(j);
}

static void times(void **state)
{
    (void)state;
    struct json_t *j = json_new_object();
    execution_ending_set_time(j, "a", 1700000000007);
    execution_ending_set_time(j, "b", 0);
    assert_string_equal(json_text(json_get(j, "a")), "2023-11-14T22:13:20.007Z");
    assert_true(json_is_null(json_get(j, "b")));
    json_free(j);
}

static void signal_names(void **state)
{
    (void)state;
    char name[24];
    execution_ending_signal_name(SIGTERM, name);
    assert_string_equal(name, "SIGTERM");
    execution_ending_signal_name(SIGRTMIN + 3, name);
    assert_string_equal(name, "SIGRTMIN+3");
    execution_ending_signal_name(32, name);
    assert_string_equal(name, "SIG32");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statuses),
        cmocka_unit_test(what_exited_had_ended_by_itself),
        cmocka_unit_test(an_exit_code_is_never_invented),
        cmocka_unit_test(times),
        cmocka_unit_test(signal_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
