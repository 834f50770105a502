/* memory_events.h - what is in use of this container's memory, and how often something in it was
 * killed for that; cgroup v2 and v1. */
#pragma once
#include "base/slice.h"
#include <stdint.h>

/* -1 when the container cannot see its cgroup. */
int64_t memory_events_kills(void);
int64_t memory_events_used(void); /* bytes */
/* From here on ours are counted, see memory_guard.h: this kernel kills nobody. */
void memory_events_count_ours(void);
void memory_events_count(void);
/* The number behind "oom_kill " at a line's beginning; -1 when it is not there. Pure. */
int64_t memory_events_parse(struct slice text);
