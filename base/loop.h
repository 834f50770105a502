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

/* Runs work(user) in another thread, where nothing but what `user` holds may be touched, and then
 * done(user) on the loop. For what would hold the loop up by milliseconds. */
void loop_work(struct loop *l, loop_f *work, loop_f *done, void *user);
/* So many bytes are parsed or printed on the loop itself, well below a millisecond; more is work.
 */
#define LOOP_AT_ONCE_BYTES ((size_t)64 * 1024)

/* How long the loop was late at worst since the last call, in milliseconds (a metric). */
int64_t loop_take_worst_lag_ms(struct loop *l);
