#include "clusters/embedded/runtime_cpu.h"
#include "clusters/embedded/cgroup.h"
#include "clusters/embedded/oci_spec.h"
#include "clusters/embedded/process_stat.h"
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROGRAMS      "/programs"
#define START_PERIODS 2 /* the least number of processors that runsc shows its container */
#define CHILDREN_MAX  64

static int put(const char *directory, const char *file, int64_t value, struct err *err)
{
    char path[PATH_MAX];
    FILE *f = NULL;
    bool good = (size_t)snprintf(path, sizeof path, "%s/%s", directory, file) < sizeof path;

    f = good ? fopen(path, "we") : NULL;
    good = f && fprintf(f, "%" PRId64 "\n", value) > 0;
    if (f && fclose(f) != 0)
        good = false;
    return good ? 0 : err_set_errno(err, ERR_SYSTEM, errno, "%.200s/%s", directory, file);
}

static int make_all(char *directory, size_t from, struct err *err)
{
    for (char *slash = strchr(directory + from, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(directory, 0755) < 0 && errno != EEXIST)
            return err_set_errno(err, ERR_SYSTEM, errno, "%.200s", directory);
        *slash = '/';
    }
    return mkdir(directory, 0755) < 0 && errno != EEXIST
               ? err_set_errno(err, ERR_SYSTEM, errno, "%.200s", directory)
               : 0;
}

static int limit(const char *directory, int64_t quota_us, int64_t period_us, struct err *err)
{
    int rc = put(directory, "cpu.cfs_period_us", period_us, err);

    return rc == 0 ? put(directory, "cpu.cfs_quota_us", quota_us, err) : rc;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

int runtime_cpu_make(const char *mount, const char *path, const struct oci_spec_cpu *cpu,
                     struct err *err)
{
    char all[PATH_MAX], programs[PATH_MAX + sizeof PROGRAMS];
    size_t root = (size_t)snprintf(all, sizeof all, "%s/cpu", mount);
    int rc = 0;

    if (cpu->quota_us == cpu->programs_quota_us || access(all, F_OK) < 0)
        return 0;
    snprintf(all + root, sizeof all - root, "%s", path);
    snprintf(programs, sizeof programs, "%s" PROGRAMS, all);
    rc = make_all(all, root + 1, err);
    if (rc == 0)
        rc = put(all, "cpu.shares", cpu->shares, err);
    if (rc == 0)
        rc = limit(all, larger(cpu->quota_us, START_PERIODS * cpu->period_us), cpu->period_us, err);
    if (rc == 0)
        rc = make_all(programs, strlen(all) + 1, err);
    if (rc == 0)
        rc = limit(programs, cpu->programs_quota_us, cpu->period_us, err);
    return rc;
}

/* The first process that runsc makes is the one that it copies for every process of the container
 * but the first, which is the agent. Copies stay in the cgroup that they are made in. */
static pid_t find_source(const char *mount, const char *path, pid_t main_pid)
{
    pid_t pids[CHILDREN_MAX], found = 0;
    unsigned count = cgroup_find_children(mount, path, main_pid, pids, CHILDREN_MAX);
    struct process_stat stat;
    int64_t oldest = INT64_MAX;

    for (unsigned i = 0; i < count; i++)
        if (process_stat_read(pids[i], &stat) && stat.start_ticks < oldest) {
            oldest = stat.start_ticks;
            found = pids[i];
        }
    return found;
}

int runtime_cpu_divide(const char *mount, const char *path, const struct oci_spec_cpu *cpu,
                       pid_t main_pid, struct err *err)
{
    char all[PATH_MAX], programs[PATH_MAX + sizeof PROGRAMS];
    pid_t source = find_source(mount, path, main_pid);
    struct err ignored = {.code = ERR_NONE};

    snprintf(all, sizeof all, "%s/cpu%s", mount, path);
    snprintf(programs, sizeof programs, "%s" PROGRAMS, all);
    if (access(programs, F_OK) < 0)
        return 0;
    if (source > 0)
        (void)put(programs, "cgroup.procs", source, &ignored); /* it may have ended already */
    return limit(all, cpu->quota_us, cpu->period_us, err);
}
