#include "unit.h"

#include "base/json.h"
#include "clusters/embedded/oci_spec.h"
#include <stdlib.h>

static struct json_t *spec_of(const char *container)
{
    struct json_t *c = json_parse_object(slice_of(container), NULL);
    struct json_t *pod = json_build("{s:{s:s}, s:{s:{s:i, s:i}}}", "metadata", "name", "p", "spec",
                                    "securityContext", "runAsUser", 7, "fsGroup", 9);
    const struct oci_spec_mount mounts[] = {{"/v/shm", "/dev/shm", false},
                                            {"/v/agent", "/spillway", true}};
    struct json_t *spec = NULL;

    assert_non_null(c);
    spec = oci_spec_build(&(struct oci_spec_args){.pod = pod,
                                                  .container = c,
                                                  .rootfs = "/images/box",
                                                  .hostname = "p",
                                                  .netns_path = "/run/p/netns",
                                                  .cgroups_path = "/spillway/u",
                                                  .mounts = mounts,
                                                  .mount_count = 2,
                                                  .pids = 37,
                                                  .limits_swap = true,
                                                  .oom_score_adj = 500,
                                                  .open_files_hard = 512});
    json_free(c);
    json_free(pod);
    return spec;
}

static const struct json_t *mount_at(const struct json_t *spec, const char *target, size_t *count)
{
    const struct json_t *list = json_get(spec, "mounts"), *found = NULL;

    *count = 0;
    for (size_t i = 0; i < json_count(list); i++)
        if (strcmp(json_get_text(json_item(list, i), "destination", ""), target) == 0) {
            found = json_item(list, i);
            (*count)++;
        }
    return found;
}

static bool has_option(const struct json_t *mount, const char *option)
{
    const struct json_t *list = json_get(mount, "options");

    for (size_t i = 0; i < json_count(list); i++)
        if (strcmp(json_text(json_item(list, i)), option) == 0)
            return true;
    return false;
}

static void walls(void **state)
{
    static const char *const SETS[] = {"bounding", "effective", "inheritable", "permitted",
                                       "ambient"};
    struct json_t *s = spec_of("{\"command\":[\"/a\",\"b\"],\"args\":[\"c\"]}");

    (void)state;
    assert_true(json_true(json_at(s, "root", "readonly", NULL)));
    assert_true(json_true(json_at(s, "process", "noNewPrivileges", NULL)));
    for (size_t i = 0; i < ARRAY_LEN(SETS); i++) {
        assert_non_null(json_at(s, "process", "capabilities", SETS[i], NULL));
        assert_int_equal(json_count(json_at(s, "process", "capabilities", SETS[i], NULL)), 0);
    }
    assert_string_equal(json_get_text(json_at(s, "linux", "seccomp", NULL), "defaultAction", ""),
                        "SCMP_ACT_ERRNO");
    assert_int_equal(json_count(json_at(s, "linux", "namespaces", NULL)), 6);
    assert_true(json_count(json_at(s, "linux", "maskedPaths", NULL)) > 5);
    assert_int_equal(json_count(json_at(s, "process", "args", NULL)), 3);
    assert_int_equal(json_int(json_at(s, "process", "user", "uid", NULL), 0), 7);
    assert_int_equal(
        json_int(json_item(json_at(s, "process", "user", "additionalGids", NULL), 0), 0), 9);
    json_free(s);
}

static void container_wins_over_pod(void **state)
{
    struct json_t *s = spec_of(
        "{\"command\":[\"/a\"],\"securityContext\":{\"runAsUser\":1000,\"runAsGroup\":1001}}");

    (void)state;
    assert_int_equal(json_int(json_at(s, "process", "user", "uid", NULL), 0), 1000);
    assert_int_equal(json_int(json_at(s, "process", "user", "gid", NULL), 0), 1001);
    json_free(s);
}

static void limits(void **state)
{
    struct json_t *s = spec_of(
        "{\"command\":[\"/a\"],\"resources\":{\"limits\":{\"cpu\":\"500m\",\"memory\":\"64Mi\"},"
        "\"requests\":{\"cpu\":\"250m\"}}}");
    const struct json_t *r = json_at(s, "linux", "resources", NULL);

    (void)state;
    assert_int_equal(json_int(json_at(r, "cpu", "quota", NULL), 0), 50000);
    assert_int_equal(json_int(json_at(r, "cpu", "period", NULL), 0), 100000);
    assert_int_equal(json_int(json_at(r, "cpu", "shares", NULL), 0), 256);
    assert_int_equal(json_int(json_at(r, "memory", "limit", NULL), 0), 64 << 20);
    assert_int_equal(json_int(json_at(r, "memory", "swap", NULL), 0), 64 << 20);
    assert_int_equal(json_int(json_at(r, "pids", "limit", NULL), 0), 37);
    json_free(s);
    s = spec_of("{\"command\":[\"/a\"],\"resources\":{\"limits\":{\"cpu\":\"1m\"}}}");
    assert_int_equal(json_int(json_at(s, "linux", "resources", "cpu", "quota", NULL), 0), 1000);
    assert_int_equal(json_int(json_at(s, "linux", "resources", "cpu", "shares", NULL), 0), 2);
    assert_null(json_at(s, "linux", "resources", "memory", NULL));
    json_free(s);
}

static void overhead_is_beside_the_limits(void **state)
{
    struct json_t *c = json_build("{s:{s:{s:s},s:{s:s}}}", "resources", "limits", "cpu", "500m",
                                  "requests", "cpu", "250m");
    struct json_t *pod =
        json_build("{s:{s:{s:s,s:s}}}", "spec", "overhead", "cpu", "250m", "memory", "1Mi");
    struct oci_spec_cpu cpu = oci_spec_cpu(pod, c);

    (void)state;
    assert_int_equal(cpu.quota_us, 75000);
    assert_int_equal(cpu.programs_quota_us, 50000);
    assert_int_equal(cpu.shares, 512);
    json_remove(json_get(pod, "spec"), "overhead");
    cpu = oci_spec_cpu(pod, c);
    assert_int_equal(cpu.quota_us, 50000);
    assert_int_equal(cpu.programs_quota_us, 50000);
    json_remove(json_get(c, "resources"), "limits");
    assert_int_equal(oci_spec_cpu(pod, c).quota_us, 0);
    json_free(c);
    json_free(pod);
}

static void mounts(void **state)
{
    struct json_t *s = spec_of("{\"command\":[\"/a\"]}");
    size_t count = 0;
    const struct json_t *shm = mount_at(s, "/dev/shm", &count);

    (void)state;
    assert_int_equal(count, 1); /* the pod's own takes the place of the default */
    assert_string_equal(json_get_text(shm, "source", ""), "/v/shm");
    assert_true(has_option(shm, "rw"));
    assert_true(has_option(mount_at(s, "/spillway", &count), "ro"));
    assert_true(has_option(mount_at(s, "/sys", &count), "ro"));
    assert_true(has_option(mount_at(s, "/sys/fs/cgroup", &count), "ro"));
    json_free(s);
}

static void rlimits_stay_below_the_nodes(void **state)
{
    struct json_t *s = spec_of("{\"command\":[\"/a\"]}");
    const struct json_t *files = json_item(json_at(s, "process", "rlimits", NULL), 1);

    (void)state;
    assert_string_equal(json_get_text(files, "type", ""), "RLIMIT_NOFILE");
    assert_int_equal(json_int(json_get(files, "hard"), 0), 512);
    assert_int_equal(json_int(json_get(files, "soft"), 0), 512);
    json_free(s);
}

static int64_t pids_of(const char *annotation)
{
    struct json_t *pod =
        json_build("{s:{s:{s:s}}}", "metadata", "annotations", "spillway.dev/pids", annotation);
    int64_t pids = oci_spec_pids(pod, 128);

    json_free(pod);
    return pids;
}

static void pids(void **state)
{
    (void)state;
    assert_int_equal(pids_of("64"), 64);
    assert_int_equal(pids_of(""), 128);
    assert_int_equal(pids_of("0"), 128);
    assert_int_equal(pids_of("-1"), 128);
    assert_int_equal(pids_of("1000000"), 128);
    assert_int_equal(pids_of("64x"), 128);
}

static void hostnames(void **state)
{
    char out[64];
    struct json_t *pod =
        json_build("{s:{s:s}}", "metadata", "name",
                   "a23456789-123456789-123456789-123456789-123456789-123456789-12-tail");

    (void)state;
    oci_spec_hostname(pod, out);
    assert_string_equal(out, "a23456789-123456789-123456789-123456789-123456789-123456789-12");
    json_set(pod, "spec", json_build("{s:s}", "hostname", "own"));
    oci_spec_hostname(pod, out);
    assert_string_equal(out, "own");
    json_free(pod);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walls),
        cmocka_unit_test(container_wins_over_pod),
        cmocka_unit_test(overhead_is_beside_the_limits),
        cmocka_unit_test(limits),
        cmocka_unit_test(mounts),
        cmocka_unit_test(pids),
        cmocka_unit_test(rlimits_stay_below_the_nodes),
        cmocka_unit_test(hostnames),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
