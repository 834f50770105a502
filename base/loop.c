#include "base/loop.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <uv.h>

#define DEFERRED_FIRST 16

struct deferred {
    loop_f *fn;
    void *user;
};

/* What was deferred, oldest first; the memory stays for the next turns. */
struct batch {
    struct deferred *at;
    size_t count, cap;
};

struct job {
    uv_work_t handle;
    loop_f *work, *done;
    void *user;
};

struct loop_signal {
    struct loop_signal *next;
    uv_signal_t handle;
    loop_f *fn;
    void *user;
};

struct loop {
    struct world world;
    uv_loop_t uv;
    uv_async_t keep_alive; /* so that the loop runs until it is told to stop */
    uv_prepare_t before_poll;
    uv_check_t after_poll;
    uv_idle_t more; /* active while something deferred waits: the next poll must not block */
    struct loop_signal *signals;
    struct batch deferred;
    struct batch spare;     /* takes what comes while the deferred runs */
    uint64_t turn_began_ms; /* 0: none has yet */
    uint64_t worst_lag_ms;
    bool stopped; /* stays, so that a stop before the run counts */
};

struct timer {
    uv_timer_t handle;
    timer_f *fn;
    void *user;
};

/* -- the world -- */

static struct loop *loop_of(struct world *w)
{
    return container_of(w, struct loop, world);
}

static int64_t now_ms(struct world *w)
{
    return (int64_t)uv_now(&loop_of(w)->uv);
}

static int64_t wall_ms(struct world *w)
{
    (void)w;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void random_bytes(struct world *w, void *out, size_t len)
{
    (void)w;
    char *at = out;
    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);
        INVARIANT(got > 0 || errno == EINTR);
        if (got > 0) {
            at += got;
            len -= (size_t)got;
        }
    }
}

static struct timer *new_timer(struct world *w, timer_f *fn, void *user)
{
    struct timer *t = mem_alloc(sizeof(*t));
    t->fn = fn;
    t->user = user;
    uv_timer_init(&loop_of(w)->uv, &t->handle);
    return t;
}

static void on_timer(uv_timer_t *handle)
{
    struct timer *t = container_of(handle, struct timer, handle);
    t->fn(t->user);
}

static void start_timer(struct timer *t, int64_t after_ms, int64_t repeat_ms)
{
    uv_timer_start(&t->handle, on_timer, (uint64_t)after_ms, (uint64_t)repeat_ms);
}

static void stop_timer(struct timer *t)
{
    uv_timer_stop(&t->handle);
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(container_of((uv_timer_t *)handle, struct timer, handle));
}

static void free_timer(struct timer *t)
{
    uv_close((uv_handle_t *)&t->handle, on_timer_closed);
}

static const struct world_ops REAL_WORLD = {
    .now_ms = now_ms,
    .wall_ms = wall_ms,
    .random = random_bytes,
    .timer_new = new_timer,
    .timer_start = start_timer,
    .timer_stop = stop_timer,
    .timer_free = free_timer,
};

/* -- the turns -- */

/* Runs what is waiting now; what these add waits for the next end of a turn, so that a function
 * that defers itself again does not stop the loop. */
static void run_deferred(struct loop *l)
{
    struct batch batch = l->deferred;
    l->deferred = l->spare;
    l->spare = (struct batch){0};
    for (size_t i = 0; i < batch.count; i++)
        batch.at[i].fn(batch.at[i].user);
    batch.count = 0;
    l->spare = batch;
    if (l->deferred.count == 0)
        uv_idle_stop(&l->more);
}

/* From one wait's end to the next one's beginning: so late was served what arrived meanwhile. */
static void measure_turn(struct loop *l)
{
    uint64_t now_ms = uv_hrtime() / 1000000;
    uint64_t busy_ms = now_ms > l->turn_began_ms ? now_ms - l->turn_began_ms : 0;
    if (l->turn_began_ms && busy_ms > l->worst_lag_ms)
        l->worst_lag_ms = busy_ms;
}

/* Timers run before this point of a turn, sockets after it: both ends run what was deferred. */
static void on_before_poll(uv_prepare_t *handle)
{
    struct loop *l = container_of(handle, struct loop, before_poll);
    run_deferred(l);
    measure_turn(l);
}

static void on_after_poll(uv_check_t *handle)
{
    struct loop *l = container_of(handle, struct loop, after_poll);
    l->turn_began_ms = uv_now(&l->uv); /* read when the wait was over, before what it brought ran */
    run_deferred(l);
}

static void on_more(uv_idle_t *handle)
{
    (void)handle;
}

static void on_keep_alive(uv_async_t *handle)
{
    (void)handle;
}

struct loop *loop_new(void)
{
    struct loop *l = mem_alloc(sizeof(*l));
    l->world.ops = &REAL_WORLD;
    int failed = uv_loop_init(&l->uv);
    INVARIANT(!failed); /* no descriptors at the start of a program: nothing to go on with */
    failed = uv_async_init(&l->uv, &l->keep_alive, on_keep_alive);
    INVARIANT(!failed);
    uv_prepare_init(&l->uv, &l->before_poll);
    uv_check_init(&l->uv, &l->after_poll);
    uv_idle_init(&l->uv, &l->more);
    uv_prepare_start(&l->before_poll, on_before_poll);
    uv_check_start(&l->after_poll, on_after_poll);
    uv_unref((uv_handle_t *)&l->before_poll);
    uv_unref((uv_handle_t *)&l->after_poll);
    return l;
}

static void count_handle(uv_handle_t *handle, void *user)
{
    (void)handle;
    ++*(int64_t *)user;
}

static void free_signals(struct loop *l)
{
    while (l->signals) {
        struct loop_signal *next = l->signals->next;
        free(l->signals);
        l->signals = next;
    }
}

static void close_own(struct loop *l)
{
    for (struct loop_signal *s = l->signals; s; s = s->next)
        uv_close((uv_handle_t *)&s->handle, NULL);
    uv_close((uv_handle_t *)&l->keep_alive, NULL);
    uv_close((uv_handle_t *)&l->before_poll, NULL);
    uv_close((uv_handle_t *)&l->after_poll, NULL);
    uv_close((uv_handle_t *)&l->more, NULL);
}

void loop_free(struct loop **l)
{
    if (!*l)
        return;
    /* A few turns for what the last callbacks close and defer; nothing is waited for. */
    for (int i = 0; i < 8; i++) {
        run_deferred(*l);
        uv_run(&(*l)->uv, UV_RUN_NOWAIT);
    }
    run_deferred(*l);
    close_own(*l);
    uv_run(&(*l)->uv, UV_RUN_NOWAIT);
    if (uv_loop_close(&(*l)->uv) != 0) {
        /* Somebody's handle is still open and points into memory that we do not own: leave it all.
         */
        int64_t left = 0;
        uv_walk(&(*l)->uv, count_handle, &left);
        LOG(LOG_ERROR, "loop_not_closed", KV("handles_left", left));
        *l = NULL;
        return;
    }
    free_signals(*l);
    free((*l)->deferred.at);
    free((*l)->spare.at);
    free(*l);
    *l = NULL;
}

void loop_run(struct loop *l)
{
    while (!l->stopped)
        uv_run(&l->uv, UV_RUN_DEFAULT);
    l->stopped = false;
}

void loop_stop(struct loop *l)
{
    l->stopped = true;
    uv_stop(&l->uv);
}

struct world *loop_world(struct loop *l)
{
    return &l->world;
}

struct uv_loop_s *loop_uv(struct loop *l)
{
    return &l->uv;
}

static void on_signal(uv_signal_t *handle, int signum)
{
    (void)signum;
    struct loop_signal *s = container_of(handle, struct loop_signal, handle);
    s->fn(s->user);
}

void loop_on_signal(struct loop *l, int signum, loop_f *fn, void *user)
{
    struct loop_signal *s = mem_alloc(sizeof(*s));
    s->fn = fn;
    s->user = user;
    int failed = uv_signal_init(&l->uv, &s->handle);
    INVARIANT(!failed);
    failed = uv_signal_start(&s->handle, on_signal, signum);
    INVARIANT(!failed);
    uv_unref((uv_handle_t *)&s->handle);
    s->next = l->signals;
    l->signals = s;
}

void loop_defer(struct loop *l, loop_f *fn, void *user)
{
    struct batch *b = &l->deferred;
    if (b->count == b->cap) {
        b->cap = b->cap > 0 ? b->cap * 2 : DEFERRED_FIRST;
        b->at = mem_resize(b->at, b->cap * sizeof(*b->at));
    }
    b->at[b->count++] = (struct deferred){fn, user};
    uv_idle_start(&l->more, on_more);
}

static void work_in_thread(uv_work_t *handle)
{
    struct job *j = container_of(handle, struct job, handle);
    j->work(j->user);
}

static void on_worked(uv_work_t *handle, int status)
{
    struct job j = *container_of(handle, struct job, handle);
    INVARIANT(status == 0); /* nobody cancels */
    free(container_of(handle, struct job, handle));
    j.done(j.user);
}

void loop_work(struct loop *l, loop_f *work, loop_f *done, void *user)
{
    struct job *j = mem_alloc(sizeof(*j));
    j->work = work;
    j->done = done;
    j->user = user;
    int failed = uv_queue_work(&l->uv, &j->handle, work_in_thread, on_worked);
    INVARIANT(!failed);
}

int64_t loop_take_worst_lag_ms(struct loop *l)
{
    int64_t worst = (int64_t)l->worst_lag_ms;
    l->worst_lag_ms = 0;
    return worst;
}
