/* The watermark at 5,000 nodes and 150,000 pods: what an event and a decision cost, and the memory.
 * The store is a synthetic one with the memory layout of the real; prints JSON.
 *
 *     bench_watermark [nodes] [pods] [rounds] */
#include "base/log.h"
#include "base/mem.h"
#include "clusters/kube_object.h"
#include "router/decision.h"
#include "tests/unit/fake_store.h"
#include "tests/unit/fake_world.h"
#include "watermark/reservations.h"
#include "watermark/watermark_feed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

/* -- measuring -- */

static uint64_t seed = 1;

static size_t pick(size_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(seed >> 33) % below;
}

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Sorts. */
static void print_figures(const char *name, double *us, size_t n, const char *end)
{
    double sum = 0;

    qsort(us, n, sizeof(*us), by_value);
    for (size_t i = 0; i < n; i++)
        sum += us[i];
    printf(
        "  \"%s\": {\"mean_us\": %.3f, \"p50_us\": %.3f, \"p99_us\": %.3f, \"max_us\": %.3f}%s\n",
        name, sum / (double)n, us[n / 2], us[n * 99 / 100], us[n - 1], end);
}

static double rss_mib(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_maxrss / 1024;
}

/* -- the cluster -- */

static const struct kube_resources SHAPE = {500, (int64_t)256 << 20, 0, 1};
static const struct kube_resources OTHER = {700, (int64_t)300 << 20, 0, 1};

static struct kube_pod *make_pod(size_t i, const char *node, bool sandbox)
{
    struct kube_pod *p = mem_alloc(sizeof(*p));

    p->namespace_name = mem_text("sandboxes");
    p->name = mem_format("session-%zu", i);
    p->uid = mem_format("5f1b3c9e-0000-4000-8000-%012zu", i);
    p->resource_version = mem_format("%zu", 1000000 + i);
    p->node_name = mem_text(node);
    p->pod_ip = mem_text("10.210.100.100");
    p->phase = *node ? KUBE_RUNNING : KUBE_PENDING;
    p->reason = mem_text("");
    p->message = mem_text("");
    p->requests = i % 2 ? SHAPE : OTHER;
    p->marks = (struct kube_session_marks){.session_id = mem_text(sandbox ? p->name : ""),
                                           .tenant = mem_text("tenant-a"),
                                           .epoch = mem_text("0123456789abcdef0123456789abcdef"),
                                           .nonce = mem_text("0123456789abcdef0123456789abcdef"),
                                           .fingerprint = mem_text("0123456789abcdef"),
                                           .spec_json = mem_text("{}")};
    return p;
}

/* `fill`: leaves no room for another sandbox on any node. */
static void make_cluster(size_t node_total, size_t pod_total, bool fill)
{
    size_t each = pod_total / node_total;

    fake_store.nodes = mem_array(node_total, sizeof(struct kube_node));
    fake_store.pods = mem_array(pod_total, sizeof(struct kube_pod *));
    for (size_t i = 0; i < node_total; i++) {
        fake_store.nodes[i] =
            (struct kube_node){.name = mem_format("node-%05zu.cluster.example", i), .ready = true};
        fake_store.nodes[i].allocatable = (struct kube_resources){
            (int64_t)each * 700 + (fill ? 0 : 8000), (int64_t)1 << 40, 0, 500};
    }
    fake_store.node_count = node_total;
    for (size_t i = 0; i < pod_total; i++)
        fake_store.pods[fake_store.pod_count++] =
            make_pod(i * 2, fake_store.nodes[i % node_total].name, true);
}

/* A pod comes unbound, is bound, becomes ready, goes: four events. */
static void churn(size_t round, double *us)
{
    struct kube_pod *p = make_pod(10000000 + round, "", true);
    struct kube_pod bound = *p, ready;
    double t = now_us();

    bound.node_name = fake_store.nodes[pick(fake_store.node_count)].name;
    bound.phase = KUBE_RUNNING;
    ready = bound;
    ready.ready = true;
    fake_store_tell_pod(NULL, p);
    us[0] = now_us() - t;
    t = now_us();
    fake_store_tell_pod(p, &bound);
    us[1] = now_us() - t;
    t = now_us();
    fake_store_tell_pod(&bound, &ready);
    us[2] = now_us() - t;
    t = now_us();
    fake_store_tell_pod(&ready, NULL);
    us[3] = now_us() - t;
    kube_pod_free(&p);
}

static double change_node(void)
{
    const struct kube_node *n = &fake_store.nodes[pick(fake_store.node_count)];
    struct kube_node cordoned = *n;
    double t = now_us();

    cordoned.unschedulable = true;
    fake_store_tell_node(n, &cordoned);
    fake_store_tell_node(&cordoned, n);
    return (now_us() - t) / 2;
}

static double decide(struct watermark_feed *f, int64_t *slots)
{
    struct snapshot local;
    struct decision d;
    const struct decision_input in = {
        .local = &local, .now_ms = 1000, .wish = "auto", .site = "here"};
    double t = now_us();

    watermark_feed_take(f, &SHAPE, &local);
    decision_make(&in, &d);
    *slots = d.slots;
    return now_us() - t;
}

static void measure(const char *name, struct watermark_feed *f, size_t rounds, const char *end)
{
    double *decisions = mem_array(rounds, sizeof(double));
    double *events = mem_array(rounds * 4, sizeof(double));
    double *node_events = mem_array(rounds, sizeof(double));
    int64_t slots = 0;

    for (size_t i = 0; i < rounds; i++) {
        churn(i, &events[i * 4]);
        decisions[i] = decide(f, &slots);
        node_events[i] = change_node();
    }
    printf(" \"%s\": {\n  \"slots\": %lld,\n", name, (long long)slots);
    print_figures("decision", decisions, rounds, ",");
    print_figures("pod_event", events, rounds * 4, ",");
    print_figures("node_event", node_events, rounds, "");
    printf(" }%s\n", end);
    free(decisions);
    free(events);
    free(node_events);
}

static struct watermark_feed *build(struct world *w, struct reservations *r, double *us)
{
    const struct watermark_feed_conf conf = {
        .site = "here",
        .level = {.cpu_high = 85, .cpu_low = 75, .memory_high = 80, .memory_low = 70},
        .shape = SHAPE};
    double t = now_us();
    struct watermark_feed *f = watermark_feed_new(w, NULL, NULL, r, &conf);

    *us = now_us() - t;
    return f;
}

/* All stays until the end of the program: what is measured last must not find the first one's
 * memory. */
int main(int argc, char **argv)
{
    size_t node_total = argc > 1 ? strtoul(argv[1], NULL, 10) : 5000;
    size_t pod_total = argc > 2 ? strtoul(argv[2], NULL, 10) : 150000;
    size_t rounds = argc > 3 ? strtoul(argv[3], NULL, 10) : 20000;
    struct fake_world world; /* its time stands still */
    struct reservations *r = reservations_new(60000, 1000);
    double first_us, full_us;

    log_set_level(LOG_ERROR);
    fake_world_init(&world, 1);
    if (node_total == 0 || rounds == 0)
        return 2;
    make_cluster(node_total, pod_total, false);
    double objects_mib = rss_mib();
    struct watermark_feed *f = build(&world.world, r, &first_us);
    printf("{\n \"nodes\": %zu, \"pods\": %zu, \"rounds\": %zu, \"build_ms\": %.1f,\n", node_total,
           fake_store.pod_count, rounds, first_us / 1000);
    printf(" \"rss_mib\": %.1f, \"of_that_objects_mib\": %.1f,\n", rss_mib(), objects_mib);
    measure("with_room", f, rounds, ",");
    watermark_feed_free(&f);
    for (size_t i = 0; i < fake_store.node_count; i++)
        fake_store.nodes[i].allocatable.millicpu -= 8000;
    f = build(&world.world, r, &full_us);
    measure("full", f, rounds, "");
    printf("}\n");
    watermark_feed_free(&f);
    reservations_free(&r);
    return 0;
}
