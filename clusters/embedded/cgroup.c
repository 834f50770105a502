#include "clusters/embedded/cgroup.h"
#include "clusters/embedded/process_stat.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef bool directory_f(const char *directory, void *user);

static bool is_version_2(const char *mount)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/cgroup.controllers", mount);
    return access(path, F_OK) == 0;
}

/* The file of version 2 is in no cgroup that is there for certain; it comes with swap itself. */
bool cgroup_limits_swap(const char *mount)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/memory/memory.memsw.limit_in_bytes", mount);
    return access(is_version_2(mount) ? "/proc/swaps" : path, F_OK) == 0;
}

/* Calls fn for the path in each hierarchy; false when one of the calls says so. */
static bool each_hierarchy(const char *mount, const char *path, directory_f *fn, void *user)
{
    char directory[PATH_MAX];
    bool good = true;
    DIR *d = NULL;

    if (is_version_2(mount)) {
        snprintf(directory, sizeof directory, "%s%s", mount, path);
        return fn(directory, user);
    }
    d = opendir(mount);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == '.' || e->d_type == DT_LNK) /* cpu,cpuacct has links beside it */
            continue;
        snprintf(directory, sizeof directory, "%s/%s%s", mount, e->d_name, path);
        good = fn(directory, user) && good;
    }
    if (d)
        closedir(d);
    return good;
}

/* Where no cgroup file system is mounted, crun leaves plain files. */
static bool remove_plain(const char *directory)
{
    DIR *d = opendir(directory);

    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_type == DT_REG)
            unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
    return rmdir(directory) == 0 || errno == ENOENT;
}

static bool remove_tree(const char *directory, void *user)
{
    DIR *d = opendir(directory);

    if (!d)
        return errno == ENOENT || errno == ENOTDIR;
    for (struct dirent *e; (e = readdir(d));) {
        char child[PATH_MAX];

        if (e->d_name[0] == '.' || e->d_type != DT_DIR)
            continue;
        if ((size_t)snprintf(child, sizeof child, "%s/%s", directory, e->d_name) < sizeof child)
            remove_tree(child, user);
    }
    closedir(d);
    if (rmdir(directory) == 0 || errno == ENOENT)
        return true;
    return errno == ENOTEMPTY && remove_plain(directory);
}

bool cgroup_remove(const char *mount, const char *path)
{
    return each_hierarchy(mount, path, remove_tree, NULL);
}

struct children_call {
    void (*fn)(const char *name, void *user);
    void *user;
};

static bool list_children(const char *directory, void *user)
{
    struct children_call *call = user;
    DIR *d = opendir(directory);

    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.' && e->d_type == DT_DIR)
            call->fn(e->d_name, call->user);
    if (d)
        closedir(d);
    return true;
}

void cgroup_children(const char *mount, const char *path, void (*fn)(const char *name, void *user),
                     void *user)
{
    struct children_call call = {fn, user};

    each_hierarchy(mount, path, list_children, &call);
}

static int64_t counter(const char *file, const char *name)
{
    int64_t value = 0;
    FILE *f = fopen(file, "re");
    char line[200];

    while (f && fgets(line, sizeof line, f)) {
        const char *at = strchr(line, ' ');

        if (at && (size_t)(at - line) == strlen(name) && strncmp(line, name, strlen(name)) == 0)
            value = strtoll(at + 1, NULL, 10);
    }
    if (f)
        fclose(f);
    return value;
}

int64_t cgroup_oom_kills(const char *mount, const char *path)
{
    char file[PATH_MAX];

    if (is_version_2(mount))
        snprintf(file, sizeof file, "%s%s/memory.events", mount, path);
    else
        snprintf(file, sizeof file, "%s/memory%s/memory.oom_control", mount, path);
    return counter(file, "oom_kill");
}

static bool read_number(const char *file, int64_t *out)
{
    FILE *f = fopen(file, "re");
    char line[64] = "";
    bool good = f && fgets(line, sizeof line, f);

    if (f)
        fclose(f);
    *out = strtoll(line, NULL, 10);
    return good;
}

static bool usage_of_version_2(const char *mount, const char *path, int64_t *cpu_ns,
                               int64_t *memory_bytes)
{
    char file[PATH_MAX];

    snprintf(file, sizeof file, "%s%s/memory.current", mount, path);
    if (!read_number(file, memory_bytes))
        return false;
    snprintf(file, sizeof file, "%s%s/memory.stat", mount, path);
    *memory_bytes -= counter(file, "inactive_file");
    snprintf(file, sizeof file, "%s%s/cpu.stat", mount, path);
    *cpu_ns = counter(file, "usage_usec") * 1000;
    return true;
}

static bool usage_of_version_1(const char *mount, const char *path, int64_t *cpu_ns,
                               int64_t *memory_bytes)
{
    char file[PATH_MAX];

    snprintf(file, sizeof file, "%s/memory%s/memory.usage_in_bytes", mount, path);
    if (!read_number(file, memory_bytes))
        return false;
    snprintf(file, sizeof file, "%s/memory%s/memory.stat", mount, path);
    *memory_bytes -= counter(file, "total_inactive_file");
    snprintf(file, sizeof file, "%s/cpuacct%s/cpuacct.usage", mount, path);
    return read_number(file, cpu_ns);
}

bool cgroup_usage(const char *mount, const char *path, int64_t *cpu_ns, int64_t *memory_bytes)
{
    bool good = is_version_2(mount) ? usage_of_version_2(mount, path, cpu_ns, memory_bytes)
                                    : usage_of_version_1(mount, path, cpu_ns, memory_bytes);

    if (*memory_bytes < 0)
        *memory_bytes = 0;
    return good;
}

static bool kill_all(const char *directory, void *user)
{
    unsigned *killed = user;
    char file[PATH_MAX], line[32];
    FILE *f = NULL;

    if ((size_t)snprintf(file, sizeof file, "%s/cgroup.procs", directory) >= sizeof file)
        return true;
    f = fopen(file, "re");
    while (f && fgets(line, sizeof line, f)) {
        pid_t pid = (pid_t)strtol(line, NULL, 10);

        if (pid > 1 && kill(pid, SIGKILL) == 0)
            (*killed)++;
    }
    if (f)
        fclose(f);
    return true;
}

unsigned cgroup_kill(const char *mount, const char *path)
{
    unsigned killed = 0;

    each_hierarchy(mount, path, kill_all, &killed);
    return killed;
}

struct search {
    pid_t parent, *out;
    unsigned count, max;
};

static void note_child(struct search *s, pid_t pid)
{
    struct process_stat stat;

    for (unsigned i = 0; i < s->count; i++)
        if (s->out[i] == pid)
            return;
    if (s->count < s->max && process_stat_read(pid, &stat) && stat.parent == s->parent)
        s->out[s->count++] = pid;
}

static bool find_children(const char *directory, void *user)
{
    char file[PATH_MAX], line[32];
    FILE *f = NULL;

    if ((size_t)snprintf(file, sizeof file, "%s/cgroup.procs", directory) >= sizeof file)
        return false;
    f = fopen(file, "re");
    while (f && fgets(line, sizeof line, f))
        note_child(user, (pid_t)strtol(line, NULL, 10));
    if (f)
        fclose(f);
    return true;
}

unsigned cgroup_find_children(const char *mount, const char *path, pid_t parent, pid_t *out,
                              unsigned max)
{
    struct search s = {.parent = parent, .out = out, .max = max};

    each_hierarchy(mount, path, find_children, &s);
    return s.count;
}

bool cgroup_holds(pid_t pid, const char *path)
{
    char file[64], line[1000];
    bool found = false;
    FILE *f = NULL;

    snprintf(file, sizeof file, "/proc/%d/cgroup", (int)pid);
    f = fopen(file, "re");
    while (f && !found && fgets(line, sizeof line, f)) {
        const char *at = strchr(line, ':');

        at = at ? strchr(at + 1, ':') : NULL;
        found = at && strncmp(at + 1, path, strlen(path)) == 0 &&
                (at[1 + strlen(path)] == '\n' || at[1 + strlen(path)] == '/');
    }
    if (f)
        fclose(f);
    return found;
}
