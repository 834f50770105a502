/* The embedded node's measurements: rates from samples, and cgroup files of both versions. */
#include "private_dir.h"

#include "clusters/embedded/cgroup.h"
#include "clusters/embedded/usage.h"

#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#define SECOND INT64_C(1000000000)

static void add(struct usage_ring *r, int64_t at_s, int64_t cpu_ns, int64_t memory)
{
    const struct usage_sample s = {cpu_ns, memory, at_s * 1000, at_s * 1000 + 7};

    usage_ring_add(r, &s);
}

static void rates(void **state)
{
    struct usage_ring r = {.count = 0};
    struct usage_amount a;

    (void)state;
    assert_false(usage_ring_read(&r, &a));
    add(&r, 10, 5 * SECOND, 100);
    assert_false(usage_ring_read(&r, &a)); /* one says nothing of a rate */
    add(&r, 13, 5 * SECOND + SECOND / 2, 200);
    assert_true(usage_ring_read(&r, &a));
    assert_int_equal(a.nanocores, SECOND / 6);
    assert_int_equal(a.memory_bytes, 200);
    assert_int_equal(a.window_ms, 3000);
    assert_int_equal(a.wall_ms, 13007);
    for (int i = 1; i <= 20; i++) /* the oldest go */
        add(&r, 13 + 3 * i, 5 * SECOND + SECOND / 2 + 3 * i * SECOND, 1);
    assert_int_equal(r.count, USAGE_SAMPLES);
    assert_true(usage_ring_read(&r, &a));
    assert_int_equal(a.window_ms, (USAGE_SAMPLES - 1) * 3000);
    assert_int_equal(a.nanocores, SECOND);
    add(&r, 100, 1, 1); /* the counter went back: another cgroup */
    assert_false(usage_ring_read(&r, &a));
    add(&r, 100, 5, 1); /* no time has passed */
    assert_false(usage_ring_read(&r, &a));
}

static void put(const char *path, const char *text)
{
    char full[PATH_MAX], *slash;
    FILE *f;

    snprintf(full, sizeof(full), "%s/%s", private_dir, path);
    for (slash = strchr(full + strlen(private_dir) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(full, 0755);
        *slash = '/';
    }
    f = fopen(full, "we");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void version_1(void **state)
{
    int64_t cpu_ns, memory;

    (void)state;
    put("memory/s/p/memory.usage_in_bytes", "1000000\n");
    put("memory/s/p/memory.stat", "cache 5\ninactive_file 1\ntotal_inactive_file 400000\n");
    put("cpuacct/s/p/cpuacct.usage", "123456789\n");
    assert_true(cgroup_usage(private_dir, "/s/p", &cpu_ns, &memory));
    assert_int_equal(cpu_ns, 123456789);
    assert_int_equal(memory, 600000);
    assert_false(cgroup_usage(private_dir, "/s/other", &cpu_ns, &memory));
}

static void version_2(void **state)
{
    int64_t cpu_ns, memory;

    (void)state;
    put("cgroup.controllers", "cpu memory\n");
    put("s/p/memory.current", "1000\n");
    put("s/p/memory.stat", "anon 5\ninactive_file 4000\n"); /* read a moment later */
    put("s/p/cpu.stat", "usage_usec 77\nuser_usec 70\n");
    assert_true(cgroup_usage(private_dir, "/s/p", &cpu_ns, &memory));
    assert_int_equal(cpu_ns, 77000);
    assert_int_equal(memory, 0);
    assert_false(cgroup_usage(private_dir, "/s/other", &cpu_ns, &memory));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates),
        cmocka_unit_test_setup_teardown(version_1, private_dir_make, private_dir_remove),
        cmocka_unit_test_setup_teardown(version_2, private_dir_make, private_dir_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
