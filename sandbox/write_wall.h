/* write_wall.h - keeps user processes from writing outside of their own places where the root file
 * system is not read-only (a pod without volumes): by Landlock, where the kernel has it.
 *
 * Called between fork and exec: allocates nothing. */
#pragma once

/* For this process and all it will start, for ever. Needs no_new_privs. 0, also where there is
 * nothing to do or no Landlock; -1 with errno when a wall that could be had cannot be put up. */
int write_wall_put_up(void);
