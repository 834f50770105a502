/* sim_world.h - virtual time and chance: one queue of events, one stream of random numbers. One
 * seed is one history.
 *
 * A process is what can stall, die and come back: a gateway, an API server, Redis, an agent. An
 * event belongs to one; while it stalls its events wait, when it has died they are dropped.
 * Loop:  there is one world at a time; nothing here is re-entrant but sim_world_at() and its like.
 * Units: milliseconds of virtual time. */
#pragma once
#include "base/cc.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_event;
struct loop;
typedef void sim_event_f(void *user);

struct sim_process {
    char name[64];
    bool alive;
    int64_t stalled_until;
    int64_t wall_skew_ms;     /* its clock is wrong by so much */
    int place;                /* on the network */
    int64_t heard_cluster_ms; /* of a gateway: when its API server was heard last */
    struct loop *loop;        /* of a gateway: what is deferred runs behind each of its events */
};

void sim_world_begin(uint64_t seed);
void sim_world_end(void);

int64_t sim_now(void);
int64_t sim_wall(void); /* Unix time, of a clock that is right */

uint64_t sim_draw(void);
int64_t sim_between(int64_t least, int64_t most); /* both may come */
bool sim_chance(int permille);

/* `drop`, if any, is called instead of fn when the process has died, or the world ends. */
struct sim_event *sim_world_at(struct sim_process *p, int64_t at_ms, sim_event_f *fn,
                               sim_event_f *drop, void *user);
/* Neither fn nor drop is called. NULL accepted; becomes NULL. */
void sim_world_cancel(struct sim_event **e);
/* The next event. False: there is none up to then; the time is until_ms. */
bool sim_world_step(int64_t until_ms);
struct sim_process *sim_world_current(void); /* whose event runs */
/* Frees it with the world: events may be of a process that is long gone. */
void sim_world_keep(void *memory);
size_t sim_world_waiting(void);
uint64_t sim_world_steps(void);

/* One line of the history; does nothing unless tracing. */
void sim_world_trace(bool on);
void sim_trace(const char *fmt, ...) PRINTF_LIKE(1, 2);
