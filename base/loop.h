/* loop.h - the event loop of a program (libuv): the real world, signals, and freeing at the end of
 * a turn. */
#pragma once
#include "base/cc.h"
#include "base/world.h"

struct loop;
struct uv_loop_s;
typedef void loop_f(void *user);

struct loop *loop_new(void) CHECK_RESULT;
void loop_free(struct loop **l); /* runs what is left to close */
void loop_run(struct loop *l);   /* until loop_stop() */
void loop_stop(struct loop *l);
struct world *loop_world(struct loop *l);
struct uv_loop_s *loop_uv(struct loop *l); /* for the files that wrap libuv */

/* Calls fn(user) for each arrival of the signal, on the loop. */
void loop_on_signal(struct loop *l, int signum, loop_f *fn, void *user);

/* Runs fn(user) at the end of this turn of the loop: nobody frees the object they run in. */
void loop_defer(struct loop *l, loop_f *fn, void *user);

/* How long the loop was late at worst since the last call, in milliseconds (a metric). */
int64_t loop_take_worst_lag_ms(struct loop *l);
