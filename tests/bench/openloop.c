/* openloop.c - requests begun by the clock, whatever the answers do, each counted from when it was
 * due: a server that stalls is not spared the requests that it would have got meanwhile.
 *
 *   openloop HOST PORT PATH RATE SECONDS CONNECTIONS      one line of JSON: milliseconds, errors */
#include "base/mem.h"
#include "http/upstream.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <uv.h>

#define ANSWER_MAX ((size_t)16 * 1024 * 1024)
#define TOTAL_MS   10000

struct bench {
    struct loop *loop;
    struct upstream *upstream;
    struct upstream_target target;
    struct slice path;
    int clock; /* timerfd: the loop's own timers are a millisecond wide */
    uv_poll_t tick;
    uint64_t begun_ns, every_ns;
    size_t begun, answered, wanted, failed;
    double *ms;       /* of those that were answered */
    struct err first; /* of the failures */
};

struct shot {
    struct bench *b;
    uint64_t due_ns;
    struct upstream_fetch *fetch;
};

static void over(struct shot *s, bool good)
{
    struct bench *b = s->b;
    if (good)
        b->ms[b->answered++] = (double)(uv_hrtime() - s->due_ns) / 1e6;
    else
        b->failed++;
    free(s);
    if (b->answered + b->failed == b->wanted)
        loop_stop(b->loop);
}

static void on_answer(int status, struct slice body, const struct err *err, bool sent, void *user)
{
    struct shot *s = user;
    (void)body;
    (void)sent;
    if (err && s->b->failed == 0)
        s->b->first = *err;
    over(s, !err && status == 200);
}

static void shoot(struct bench *b, uint64_t due_ns)
{
    const struct upstream_request req = {
        .method = HTTP_METHOD_GET, .target = b->path, .total_ms = TOTAL_MS};
    struct shot *s = mem_alloc(sizeof(*s));
    s->b = b;
    s->due_ns = due_ns;
    b->begun++;
    if (upstream_fetch_start(b->upstream, &b->target, &req, ANSWER_MAX, on_answer, s, &s->fetch,
                             &b->first) < 0)
        over(s, false);
}

static void on_tick(uv_poll_t *tick, int status, int events)
{
    struct bench *b = container_of(tick, struct bench, tick);
    uint64_t ticks, now = uv_hrtime();
    (void)status;
    (void)events;
    if (read(b->clock, &ticks, sizeof(ticks)) < 0)
        return;
    while (b->begun < b->wanted && b->begun_ns + b->begun * b->every_ns <= now)
        shoot(b, b->begun_ns + b->begun * b->every_ns);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double part(const struct bench *b, size_t per_mille)
{
    return b->answered ? b->ms[(b->answered - 1) * per_mille / 1000] : 0;
}

static void report(struct bench *b)
{
    qsort(b->ms, b->answered, sizeof(*b->ms), ascending);
    printf("{\"count\":%zu,\"errors\":%zu,\"min\":%.3f,\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,"
           "\"max\":%.3f}\n",
           b->answered, b->failed, part(b, 0), part(b, 500), part(b, 900), part(b, 990),
           part(b, 1000));
    if (b->failed)
        fprintf(stderr, "openloop: %s\n", b->first.msg);
}

static void start(struct bench *b)
{
    const struct timespec every = {(time_t)(b->every_ns / 1000000000),
                                   (long)(b->every_ns % 1000000000)};
    const struct itimerspec ticks = {every, every};
    b->clock = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    b->begun_ns = uv_hrtime() + b->every_ns;
    int failed = timerfd_settime(b->clock, 0, &ticks, NULL);
    INVARIANT(!failed);
    uv_poll_init(loop_uv(b->loop), &b->tick, b->clock);
    uv_poll_start(&b->tick, UV_READABLE, on_tick);
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fprintf(stderr, "usage: openloop HOST PORT PATH RATE SECONDS CONNECTIONS\n");
        return 1;
    }
    struct bench b = {.loop = loop_new(), .path = slice_of(argv[3])};
    struct upstream_conf conf = UPSTREAM_CONF_DEFAULT;
    double rate = atof(argv[4]);
    conf.per_target_max = (unsigned)atoi(argv[6]);
    b.wanted = (size_t)(rate * atof(argv[5]));
    conf.queue_max = (unsigned)b.wanted + 1; /* what waits here waits for the server */
    b.upstream = upstream_new(b.loop, &conf);
    snprintf(b.target.host, sizeof(b.target.host), "%s", argv[1]);
    b.target.port = (uint16_t)atoi(argv[2]);
    b.ms = mem_array(b.wanted, sizeof(*b.ms));
    b.every_ns = (uint64_t)(1e9 / rate);
    start(&b);
    loop_run(b.loop);
    report(&b);
    uv_close((uv_handle_t *)&b.tick, NULL);
    upstream_free(&b.upstream);
    loop_free(&b.loop);
    close(b.clock);
    free(b.ms);
    return b.failed > 0;
}
