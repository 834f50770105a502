/* memory_guard.h - ends what takes more memory than the pod may have, where the pod has a kernel of
 * its own (gVisor) and that ends nobody for it: the host's kernel knows the whole sandbox only, and
 * would end that.
 *
 * Looks often while something runs. First the interpreters that are kept ready go, then one process
 * at a time: the largest, as a kernel would. What the sandbox's kernel needs for itself is not
 * counted: the pod's overhead is for that, and for what is taken between two looks. Ownership:
 * lives as long as the agent. Loop: all on the loop. Kills are counted in memory_events. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct world;
struct memory_guard;

struct memory_guard_host {
    struct world *world;
    int64_t limit_bytes; /* memory and workspace together, as the pod's limit counts them */
    int64_t workspace_bytes;
    const char *workspace;
    bool (*busy)(void *user);    /* does anything run? */
    bool (*give_up)(void *user); /* what nobody uses now; was there anything? */
    void *user;
};

struct memory_guard *memory_guard_new(const struct memory_guard_host *host);
/* Something runs: looks until nothing does. NULL does nothing. */
void memory_guard_wake(struct memory_guard *g);
