#include "sandbox/memory_guard.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/world.h"
#include "sandbox/memory_events.h"
#include "sandbox/processes.h"
#include <signal.h>
#include <sys/vfs.h>

/* A look costs 0.7 ms of processor: the more room there is, the later the next. No program was seen
 * to take more than a third of this; what it takes in the shortest time is the pod's overhead. */
#define BYTES_A_MS  ((int64_t)4 * 1024 * 1024)
#define LOOK_MS     10
#define LOOK_MAX_MS 200

/* What ended gives its memory back a while later. Until then it only counts what comes on top. */
#define AGAIN_MS     500
#define ON_TOP_BYTES ((int64_t)32 * 1024 * 1024)

#define GOFER_MAGIC 0x01021997 /* a file system of the host's, in gVisor */

struct memory_guard {
    struct memory_guard_host host;
    struct timer *timer;
    bool looks;
    int64_t acted_ms, acted_at_bytes; /* what was in use then */
};

/* Files of a workspace that the host holds in memory for us: in no count of this kernel, but in the
 * pod's. Any other file system is as large as a disk. */
static int64_t files_bytes(const struct memory_guard *g)
{
    struct statfs s;
    if (statfs(g->host.workspace, &s) < 0 || s.f_type != GOFER_MAGIC)
        return 0;
    int64_t block = (int64_t)s.f_bsize;
    if ((int64_t)s.f_blocks > g->host.workspace_bytes / block + 1)
        return 0;
    return (int64_t)(s.f_blocks - s.f_bfree) * block;
}

static void act(struct memory_guard *g, int64_t used)
{
    pid_t pid = g->host.give_up(g->host.user) ? 0 : processes_find_largest();
    LOG(LOG_WARN, "out_of_memory", KV("used", used), KV("limit", g->host.limit_bytes),
        KV("killed", (int64_t)pid));
    if (pid > 0) {
        memory_events_count();
        kill(pid, SIGKILL);
    }
    g->acted_ms = world_now_ms(g->host.world);
    g->acted_at_bytes = used;
}

static int64_t next_look_ms(int64_t room)
{
    int64_t ms = room / BYTES_A_MS;
    if (ms < LOOK_MS)
        return LOOK_MS;
    return ms < LOOK_MAX_MS ? ms : LOOK_MAX_MS;
}

static void on_look(void *user)
{
    struct memory_guard *g = user;
    g->looks = g->host.busy(g->host.user);
    if (!g->looks)
        return;
    int64_t used = memory_events_used() + files_bytes(g);
    timer_start(g->host.world, g->timer, next_look_ms(g->host.limit_bytes - used), 0);
    if (used <= g->host.limit_bytes)
        return;
    if (world_now_ms(g->host.world) - g->acted_ms >= AGAIN_MS ||
        used > g->acted_at_bytes + ON_TOP_BYTES)
        act(g, used);
}

struct memory_guard *memory_guard_new(const struct memory_guard_host *host)
{
    struct memory_guard *g = mem_alloc(sizeof(*g));
    *g = (struct memory_guard){.host = *host, .acted_ms = INT64_MIN / 2};
    g->timer = timer_new(host->world, on_look, g);
    memory_events_count_ours();
    return g;
}

void memory_guard_wake(struct memory_guard *g)
{
    if (!g || g->looks)
        return;
    g->looks = true;
    timer_start(g->host.world, g->timer, LOOK_MS, 0);
}
