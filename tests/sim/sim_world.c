#include "sim_world.h"

#include "base/mem.h"
#include "sim_loop.h"

#include <stdio.h>
#include <stdlib.h>

#define WALL_START_MS INT64_C(1800000000000)

struct sim_event {
    int64_t at_ms;
    uint64_t order; /* of two at the same time the older one comes first */
    size_t place;   /* in the heap */
    struct sim_process *process;
    sim_event_f *fn, *drop;
    void *user;
};

static struct {
    struct sim_event **heap;
    size_t count, room;
    uint64_t order, steps;
    int64_t now_ms;
    uint64_t chance;
    void **kept;
    size_t kept_count;
    struct sim_process *current;
    bool tracing;
} world;

/* -- chance: splitmix64 -- */

uint64_t sim_draw(void)
{
    uint64_t z = (world.chance += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

int64_t sim_between(int64_t least, int64_t most)
{
    INVARIANT(least <= most);
    return least + (int64_t)(sim_draw() % (uint64_t)(most - least + 1));
}

bool sim_chance(int permille)
{
    return sim_between(0, 999) < permille;
}

/* -- the heap -- */

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_ms < b->at_ms || (a->at_ms == b->at_ms && a->order < b->order);
}

static void put_at(size_t place, struct sim_event *e)
{
    world.heap[place] = e;
    e->place = place;
}

static void rise(struct sim_event *e)
{
    while (e->place > 0 && is_before(e, world.heap[(e->place - 1) / 2])) {
        size_t up = (e->place - 1) / 2, here = e->place;
        put_at(here, world.heap[up]);
        put_at(up, e);
    }
}

static void sink(struct sim_event *e)
{
    for (;;) {
        size_t least = e->place, left = 2 * e->place + 1;
        for (size_t child = left; child <= left + 1 && child < world.count; child++) {
            if (is_before(world.heap[child], world.heap[least]))
                least = child;
        }
        if (least == e->place)
            return;
        size_t here = e->place;
        put_at(here, world.heap[least]);
        put_at(least, e);
    }
}

static void insert(struct sim_event *e)
{
    if (world.count == world.room) {
        world.room = world.room * 2 + 64;
        world.heap = mem_resize(world.heap, world.room * sizeof(struct sim_event *));
    }
    e->order = ++world.order;
    put_at(world.count++, e);
    rise(e);
}

static void take_out(struct sim_event *e)
{
    struct sim_event *last = world.heap[--world.count];
    if (last == e)
        return;
    put_at(e->place, last);
    rise(last);
    sink(last);
}

/* -- events -- */

struct sim_event *sim_world_at(struct sim_process *p, int64_t at_ms, sim_event_f *fn,
                               sim_event_f *drop, void *user)
{
    struct sim_event *e = mem_alloc(sizeof(*e));
    *e = (struct sim_event){.at_ms = at_ms > world.now_ms ? at_ms : world.now_ms,
                            .process = p,
                            .fn = fn,
                            .drop = drop,
                            .user = user};
    insert(e);
    return e;
}

void sim_world_cancel(struct sim_event **at)
{
    struct sim_event *e = *at;
    if (!e)
        return;
    *at = NULL;
    take_out(e);
    free(e);
}

static void run(struct sim_event *e)
{
    struct sim_event now = *e;
    free(e);
    if (!now.process->alive) {
        if (now.drop)
            now.drop(now.user);
        return;
    }
    world.current = now.process;
    now.fn(now.user);
    if (now.process->loop)
        sim_loop_rest(now.process->loop);
}

bool sim_world_step(int64_t until_ms)
{
    if (world.count == 0 || world.heap[0]->at_ms > until_ms) {
        world.now_ms = until_ms;
        return false;
    }
    struct sim_event *e = world.heap[0];
    take_out(e);
    world.now_ms = e->at_ms;
    world.steps++;
    if (e->process->alive && e->process->stalled_until > world.now_ms) {
        e->at_ms = e->process->stalled_until;
        insert(e);
        return true;
    }
    run(e);
    return true;
}

struct sim_process *sim_world_current(void)
{
    return world.current;
}

size_t sim_world_waiting(void)
{
    return world.count;
}

uint64_t sim_world_steps(void)
{
    return world.steps;
}

/* -- time -- */

int64_t sim_now(void)
{
    return world.now_ms;
}

int64_t sim_wall(void)
{
    return WALL_START_MS + world.now_ms;
}

/* -- begin and end -- */

void sim_world_keep(void *memory)
{
    world.kept = mem_resize(world.kept, (world.kept_count + 1) * sizeof(void *));
    world.kept[world.kept_count++] = memory;
}

void sim_world_begin(uint64_t seed)
{
    world.chance = seed;
    world.now_ms = 1000;
    world.order = world.steps = 0;
}

void sim_world_end(void)
{
    while (world.count > 0) {
        struct sim_event *e = world.heap[0];
        take_out(e);
        if (e->drop)
            e->drop(e->user);
        free(e);
    }
    free(world.heap);
    world.heap = NULL;
    world.room = 0;
    while (world.kept_count > 0)
        free(world.kept[--world.kept_count]);
    free(world.kept);
    world.kept = NULL;
}

/* -- the trace -- */

void sim_world_trace(bool on)
{
    world.tracing = on;
}

void sim_trace(const char *fmt, ...)
{
    va_list args;
    if (!world.tracing)
        return;
    printf("%9.3f ", (double)world.now_ms / 1000);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    putchar('\n');
}
