#include "sandbox/process_tree.h"
#include "base/mem.h"
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PROCESSES_MAX 65536

static bool number(const char **p, const char *end, pid_t *out)
{
    long v = 0;
    const char *start = *p;
    while (*p < end && isdigit((unsigned char)**p) && v <= INT_MAX / 10)
        v = v * 10 + (*(*p)++ - '0');
    *out = (pid_t)v;
    return *p > start && v <= INT_MAX && (*p == end || !isdigit((unsigned char)**p));
}

/* The number of threads, 16 fields behind the parent; 1 where the line ends before. */
static pid_t count_threads(const char *p, const char *end)
{
    pid_t count = 1;
    for (int field = 0; field < 16; field++) {
        p = memchr(p, ' ', (size_t)(end - p));
        if (!p)
            return 1;
        p++;
    }
    return number(&p, end, &count) ? count : 1;
}

bool process_tree_parse(struct slice stat, struct process *out)
{
    const char *p = stat.at, *end = stat.at + stat.len;
    *out = (struct process){0};
    if (!number(&p, end, &out->pid) || out->pid == 0)
        return false;
    const char *close = memrchr(stat.at, ')', stat.len);
    if (!close || end - close < 5 || close[1] != ' ' || close[3] != ' ')
        return false;
    out->state = close[2];
    p = close + 4;
    if (!number(&p, end, &out->parent))
        return false;
    out->over = out->state == 'Z' && count_threads(p, end) <= 1;
    return true;
}

static bool read_stat(int proc, const char *name, struct process *out)
{
    char path[32], text[512];
    snprintf(path, sizeof(path), "%.16s/stat", name);
    int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof(text));
    close(fd);
    return n > 0 && process_tree_parse((struct slice){text, (size_t)n}, out);
}

static void append(struct process_tree *t, const struct process *p)
{
    if (t->count == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 64;
        t->items = mem_resize(t->items, t->cap * sizeof(*t->items));
    }
    t->items[t->count++] = *p;
}

bool process_tree_read(struct process_tree *t)
{
    *t = (struct process_tree){0};
    DIR *dir = opendir("/proc");
    if (!dir)
        return false;
    struct dirent *entry;
    while (t->count < PROCESSES_MAX && (entry = readdir(dir))) {
        struct process p;
        if (isdigit((unsigned char)entry->d_name[0]) && read_stat(dirfd(dir), entry->d_name, &p))
            append(t, &p);
    }
    closedir(dir);
    return true;
}

void process_tree_fini(struct process_tree *t)
{
    free(t->items);
    *t = (struct process_tree){0};
}

static bool is_below(const struct process_tree *t, const struct process *p, pid_t root)
{
    if (p->parent == root)
        return true;
    for (size_t i = 0; i < t->count; i++)
        if (t->items[i].pid == p->parent)
            return t->items[i].marked;
    return false;
}

/* Children may stand before their parents: again until nothing changes. */
void process_tree_mark(struct process_tree *t, pid_t root)
{
    bool changed = true;
    while (changed) {
        changed = false;
        for (size_t i = 0; i < t->count; i++) {
            struct process *p = &t->items[i];
            if (!p->marked && !p->over && p->pid != root && is_below(t, p, root))
                p->marked = changed = true;
        }
    }
}
