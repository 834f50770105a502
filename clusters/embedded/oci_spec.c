#include "clusters/embedded/oci_spec.h"
#include "base/json.h"
#include "clusters/embedded/container_check.h"
#include "clusters/embedded/seccomp_profile.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CPU_PERIOD_US    100000
#define CPU_QUOTA_LEAST  1000
#define CPU_SHARES_LEAST 2
#define OPEN_FILES       4096

static const char *const masked_paths[] = {
    "/proc/acpi",        "/proc/asound",        "/proc/interrupts", "/proc/kcore",
    "/proc/keys",        "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
    "/proc/sched_debug", "/proc/scsi",          "/sys/firmware",    "/sys/devices/virtual/powercap",
};
static const char *const readonly_paths[] = {
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

int64_t oci_spec_pids(const struct json_t *pod, int64_t otherwise)
{
    const char *text =
        json_get_text(json_at(pod, "metadata", "annotations", NULL), "spillway.dev/pids", "");
    char *end = NULL;
    long value = strtol(text, &end, 10);

    return *text && !*end && value >= 1 && value <= 100000 ? value : otherwise;
}

void oci_spec_hostname(const struct json_t *pod, char out[64])
{
    const char *name = json_get_text(json_get(pod, "spec"), "hostname", "");
    size_t len = 0;

    if (!*name)
        name = json_get_text(json_get(pod, "metadata"), "name", "pod");
    snprintf(out, 64, "%.63s", name);
    for (len = strlen(out); len > 0 && (out[len - 1] == '-' || out[len - 1] == '.'); len--)
        out[len - 1] = '\0';
}

static struct json_t *texts(const char *const *list, size_t count)
{
    struct json_t *j = json_new_array();

    for (size_t i = 0; i < count; i++)
        json_add(j, json_new_text(list[i]));
    return j;
}

static struct json_t *arguments(const struct json_t *container)
{
    const char *const parts[] = {"command", "args"};
    struct json_t *j = json_new_array();

    for (size_t p = 0; p < ARRAY_LEN(parts); p++) {
        const struct json_t *list = json_get(container, parts[p]);

        for (size_t i = 0; i < json_count(list); i++)
            json_add(j, json_copy(json_item(list, i)));
    }
    return j;
}

static bool env_has(const struct json_t *env, const char *name)
{
    for (size_t i = 0; i < json_count(env); i++)
        if (strcmp(json_get_text(json_item(env, i), "name", ""), name) == 0)
            return true;
    return false;
}

static void add_env(struct json_t *list, const char *name, const char *value)
{
    struct buf line;

    buf_init(&line, 1024 * 1024);
    buf_addf(&line, "%s=%s", name, value);
    json_add(list, json_new_text(buf_text(&line)));
    buf_fini(&line);
}

static struct json_t *environment(const struct oci_spec_args *a)
{
    const struct json_t *env = json_get(a->container, "env");
    struct json_t *j = json_new_array();

    if (!env_has(env, "PATH"))
        add_env(j, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    if (!env_has(env, "HOSTNAME"))
        add_env(j, "HOSTNAME", a->hostname);
    for (size_t i = 0; i < json_count(env); i++)
        add_env(j, json_get_text(json_item(env, i), "name", ""),
                json_get_text(json_item(env, i), "value", ""));
    return j;
}

/* The container's own security context wins over the pod's. */
static int64_t security_id(const struct oci_spec_args *a, const char *key, int64_t otherwise)
{
    const struct json_t *own = json_at(a->container, "securityContext", key, NULL);

    return json_int(own ? own : json_at(a->pod, "spec", "securityContext", key, NULL), otherwise);
}

static struct json_t *user(const struct oci_spec_args *a)
{
    const struct json_t *group = json_at(a->pod, "spec", "securityContext", "fsGroup", NULL);
    struct json_t *j = json_build("{s:I, s:I}", "uid", (long long)security_id(a, "runAsUser", 0),
                                  "gid", (long long)security_id(a, "runAsGroup", 0));

    if (group)
        json_set(j, "additionalGids", json_build("[I]", (long long)json_int(group, 0)));
    return j;
}

static struct json_t *rlimits(const struct oci_spec_args *a)
{
    long long files = a->open_files_hard < OPEN_FILES ? a->open_files_hard : OPEN_FILES;

    return json_build("[{s:s, s:i, s:i}, {s:s, s:I, s:I}]", "type", "RLIMIT_CORE", "soft", 0,
                      "hard", 0, "type", "RLIMIT_NOFILE", "soft", files < 1024 ? files : 1024LL,
                      "hard", files);
}

static struct json_t *process(const struct oci_spec_args *a)
{
    struct json_t *j =
        json_build("{s:b, s:s, s:b, s:i, s:{s:[], s:[], s:[], s:[], s:[]}}", "terminal", 0, "cwd",
                   json_get_text(a->container, "workingDir", "/"), "noNewPrivileges", 1,
                   "oomScoreAdj", a->oom_score_adj, "capabilities", "bounding", "effective",
                   "inheritable", "permitted", "ambient");

    json_set(j, "args", arguments(a->container));
    json_set(j, "env", environment(a));
    json_set(j, "user", user(a));
    json_set(j, "rlimits", rlimits(a));
    return j;
}

static void add_mount(struct json_t *list, const char *target, const char *type, const char *source,
                      const char *const *options, size_t count)
{
    struct json_t *m =
        json_build("{s:s, s:s, s:s}", "destination", target, "type", type, "source", source);

    json_set(m, "options", texts(options, count));
    json_add(list, m);
}

#define MOUNT(list, target, type, source, ...)                                                     \
    add_mount(list, target, type, source, (const char *const[]){__VA_ARGS__},                      \
              ARRAY_LEN(((const char *const[]){__VA_ARGS__})))

static bool mounts_at(const struct oci_spec_args *a, const char *target)
{
    for (size_t i = 0; i < a->mount_count; i++)
        if (strcmp(a->mounts[i].target, target) == 0)
            return true;
    return false;
}

static struct json_t *mounts(const struct oci_spec_args *a)
{
    struct json_t *list = json_new_array();

    MOUNT(list, "/proc", "proc", "proc", "nosuid", "noexec", "nodev");
    MOUNT(list, "/dev", "tmpfs", "tmpfs", "nosuid", "noexec", "strictatime", "mode=755",
          "size=65536k");
    MOUNT(list, "/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666",
          "mode=0620");
    if (!mounts_at(a, "/dev/shm"))
        MOUNT(list, "/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777",
              "size=65536k");
    MOUNT(list, "/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "ro");
    MOUNT(list, "/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev", "relatime",
          "ro");
    for (size_t i = 0; i < a->mount_count; i++)
        MOUNT(list, a->mounts[i].target, "bind", a->mounts[i].source, "bind", "nosuid", "nodev",
              a->mounts[i].read_only ? "ro" : "rw");
    return list;
}

/* What the pod has for its runtime beside what its container asked for: one cgroup holds both. */
static int64_t overhead(const struct json_t *pod, const char *what, bool milli)
{
    int64_t amount = 0;

    return container_check_quantity(json_at(pod, "spec", "overhead", what, NULL), milli, &amount)
               ? amount
               : 0;
}

static int64_t quota_us(int64_t millicpu)
{
    int64_t quota = millicpu * CPU_PERIOD_US / 1000;

    return quota < CPU_QUOTA_LEAST ? CPU_QUOTA_LEAST : quota;
}

struct oci_spec_cpu oci_spec_cpu(const struct json_t *pod, const struct json_t *container)
{
    const struct json_t *wanted = json_get(container, "resources");
    struct oci_spec_cpu out = {.period_us = CPU_PERIOD_US};
    int64_t limit = 0, request = 0, extra = overhead(pod, "cpu", true);

    if (container_check_quantity(json_at(wanted, "limits", "cpu", NULL), true, &limit) &&
        limit > 0) {
        out.quota_us = quota_us(limit + extra);
        out.programs_quota_us = quota_us(limit);
    }
    if (!container_check_quantity(json_at(wanted, "requests", "cpu", NULL), true, &request))
        request = 0;
    out.shares = (request + extra) * 1024 / 1000;
    if (out.shares < CPU_SHARES_LEAST)
        out.shares = CPU_SHARES_LEAST;
    return out;
}

static struct json_t *cpu(const struct oci_spec_args *a)
{
    struct oci_spec_cpu c = oci_spec_cpu(a->pod, a->container);
    struct json_t *j = json_new_object();

    if (c.quota_us > 0) {
        json_set_int(j, "quota", c.quota_us);
        json_set_int(j, "period", c.period_us);
    }
    json_set_int(j, "shares", c.shares);
    return j;
}

/* `swap` is memory and swap together. */
static struct json_t *memory_part(const struct oci_spec_args *a, int64_t limit)
{
    struct json_t *j = json_build("{s:I}", "limit", (long long)limit);

    if (a->limits_swap)
        json_set_int(j, "swap", limit);
    return j;
}

static struct json_t *resources(const struct oci_spec_args *a)
{
    const struct json_t *wanted = json_get(a->container, "resources");
    struct json_t *j = json_build("{s:[{s:b, s:s}], s:{s:I}}", "devices", "allow", 0, "access",
                                  "rwm", "pids", "limit", (long long)a->pids);
    int64_t memory = 0;

    json_set(j, "cpu", cpu(a));
    if (container_check_quantity(json_at(wanted, "limits", "memory", NULL), false, &memory) &&
        memory > 0)
        json_set(j, "memory", memory_part(a, memory + overhead(a->pod, "memory", false)));
    return j;
}

static struct json_t *linux_part(const struct oci_spec_args *a)
{
    struct json_t *j =
        json_build("{s:s, s:[{s:s},{s:s},{s:s},{s:s},{s:s},{s:s,s:s}]}", "cgroupsPath",
                   a->cgroups_path, "namespaces", "type", "pid", "type", "ipc", "type", "uts",
                   "type", "mount", "type", "cgroup", "type", "network", "path", a->netns_path);

    json_set(j, "resources", resources(a));
    json_set(j, "seccomp", seccomp_profile_build());
    json_set(j, "maskedPaths", texts(masked_paths, ARRAY_LEN(masked_paths)));
    json_set(j, "readonlyPaths", texts(readonly_paths, ARRAY_LEN(readonly_paths)));
    return j;
}

struct json_t *oci_spec_build(const struct oci_spec_args *a)
{
    struct json_t *j = json_build("{s:s, s:s, s:{s:s, s:b}}", "ociVersion", "1.0.2", "hostname",
                                  a->hostname, "root", "path", a->rootfs, "readonly", 1);

    json_set(j, "process", process(a));
    json_set(j, "mounts", mounts(a));
    json_set(j, "linux", linux_part(a));
    return j;
}
