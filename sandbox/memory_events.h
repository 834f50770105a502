/* memory_events.h - how often the kernel killed something in this container for its memory; cgroup
 * v2 and v1. */
#pragma once
#include "base/slice.h"
#include <stdint.h>

/* -1 when the container cannot see its cgroup. */
int64_t memory_events_kills(void);
/* The number behind "oom_kill " at a line's beginning; -1 when it is not there. Pure. */
int64_t memory_events_parse(struct slice text);
