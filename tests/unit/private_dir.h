/* private_dir.h - a directory of the test's own below /tmp: group set-up and tear-down, and shell
 * scripts that run in it. One a program. */
#pragma once
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

static char private_dir[64];

static inline int private_dir_make(void **state)
{
    (void)state;
    snprintf(private_dir, sizeof private_dir, "/tmp/spillway-unit-XXXXXX");
    return mkdtemp(private_dir) ? 0 : -1;
}

static inline int private_dir_remove(void **state)
{
    char command[100];

    (void)state;
    snprintf(command, sizeof command, "rm -r %s", private_dir);
    return system(command);
}

static inline void private_dir_run(const char *script)
{
    char command[500];

    snprintf(command, sizeof command, "cd %s && %s", private_dir, script);
    assert_int_equal(system(command), 0);
}
