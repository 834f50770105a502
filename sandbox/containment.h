/* containment.h - all that a run started dies with it.
 *
 * A subtree is found by parent numbers and stopped before it is killed: what is stopped keeps its
 * place under the pids limit, so a fork bomb runs out of room instead of running ahead of us. One
 * call is one bounded round; the caller repeats it a few milliseconds later until it says that
 * nothing is left. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* One round below `leader`, which itself stays. Returns how many processes were still there. */
size_t containment_round(pid_t leader);
/* One round over what has process 1 for a parent and is none of the leaders: their leader died. */
size_t containment_round_strays(const pid_t *leaders, size_t count);
/* Everything but the agent, in one step that does not race with fork. Only where the agent is
 * process 1 of its own PID namespace: anywhere else this would kill the machine, so it does nothing
 * there and returns false. */
bool containment_kill_all(void);
/* Processes in the container, the agent included; 0 when /proc cannot be read. */
size_t containment_count(void);
