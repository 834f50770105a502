/* unit.h - cmocka with what it wants included before it, and a check for broken invariants. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* The child of assert_aborts(): silent, and without a core. */
static inline void unit_be_silent(void)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(null, STDERR_FILENO);
}

/* Holds when `statement` ends the process by abort(). */
#define assert_aborts(statement)                                                                   \
    do {                                                                                           \
        pid_t unit_pid = fork();                                                                   \
        assert_true(unit_pid >= 0);                                                                \
        if (unit_pid == 0) {                                                                       \
            signal(SIGABRT, SIG_DFL);                                                              \
            unit_be_silent();                                                                      \
            statement;                                                                             \
            _exit(0);                                                                              \
        }                                                                                          \
        int unit_status;                                                                           \
        assert_int_equal(waitpid(unit_pid, &unit_status, 0), unit_pid);                            \
        assert_true(WIFSIGNALED(unit_status));                                                     \
        assert_int_equal(WTERMSIG(unit_status), SIGABRT);                                          \
    } while (0)
