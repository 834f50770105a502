#include "sandbox/processes.h"
#include "base/json.h"
#include "sandbox/kernel_file.h"
#include "sandbox/process_tree.h"
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define USER_SIZE 33

/* ---- what /proc says ---- */

bool processes_parse_stat(struct slice stat, struct process_info *out)
{
    long long field[24] = {0}; /* as proc(5) numbers them */
    struct process p;
    char text[512];
    *out = (struct process_info){0};
    if (stat.len >= sizeof(text) || !process_tree_parse(stat, &p))
        return false;
    memcpy(text, stat.at, stat.len);
    text[stat.len] = '\0';
    char *open = memchr(text, '(', stat.len), *close = strrchr(text, ')');
    if (!open || close < open)
        return false;
    snprintf(out->name, sizeof(out->name), "%.*s", (int)(close - open - 1), open + 1);
    char *at = close + 3; /* behind the state: parent comes first */
    for (int i = 4; i <= 24 - 1; i++)
        field[i] = strtoll(at, &at, 10);
    out->pid = p.pid;
    out->parent = p.parent;
    out->state = p.state;
    out->cpu_ticks = field[14] + field[15];
    out->threads = field[20];
    out->start_ticks = field[22];
    out->rss_pages = strtoll(at, NULL, 10);
    return true;
}

const char *processes_status(char state)
{
    static const struct {
        char letter;
        const char *word;
    } WORDS[] = {{'R', "running"},      {'S', "sleeping"}, {'D', "disk-sleep"}, {'T', "stopped"},
                 {'t', "tracing-stop"}, {'Z', "zombie"},   {'X', "dead"},       {'x', "dead"},
                 {'I', "idle"},         {'P', "parked"},   {'K', "wake-kill"},  {'W', "waking"}};
    for (size_t i = 0; i < ARRAY_LEN(WORDS); i++)
        if (WORDS[i].letter == state)
            return WORDS[i].word;
    return "unknown";
}

static bool read_info(pid_t pid, struct process_info *out)
{
    char path[40], text[512];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    ssize_t n = kernel_file_read(path, text, sizeof(text));
    return n > 0 && processes_parse_stat((struct slice){text, (size_t)n}, out);
}

/* Nobody changes their user in a sandbox: no capabilities, no new privileges. */
static void read_user(char out[USER_SIZE])
{
    char line[512];
    unsigned uid = (unsigned)getuid();
    snprintf(out, USER_SIZE, "%u", uid);
    FILE *f = fopen("/etc/passwd", "re");
    while (f && fgets(line, sizeof(line), f)) {
        char *name_end = strchr(line, ':');
        char *id = name_end ? strchr(name_end + 1, ':') : NULL;
        if (id && isdigit((unsigned char)id[1]) && strtoul(id + 1, NULL, 10) == uid) {
            snprintf(out, USER_SIZE, "%.*s", (int)(name_end - line), line);
            break;
        }
    }
    if (f)
        fclose(f);
}

/* ---- whose are they ---- */

/* The tree with everything of the session marked. Zombies that nobody waited for count as well. */
static bool read_tree(struct process_tree *t)
{
    pid_t self = getpid();
    if (!process_tree_read(t))
        return false;
    process_tree_mark(t, self);
    for (size_t i = 0; i < t->count; i++) {
        struct process *p = &t->items[i];
        if (p->pid == self || self == 1)
            p->marked = true; /* as process 1 of its own namespace it sees no others */
    }
    return true;
}

static bool is_protected(pid_t pid, pid_t parent)
{
    return pid == getpid() || parent == getpid();
}

static int by_pid(const void *a, const void *b)
{
    const struct process *left = a, *right = b;
    return left->pid < right->pid ? -1 : left->pid > right->pid;
}

/* ---- the list ---- */

struct moment {
    double boot_s; /* since boot */
    double wall_s;
    double ticks_a_second;
    long page_bytes;
    char user[USER_SIZE];
};

static struct moment now(int64_t wall_ms)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    struct moment m = {.boot_s = (double)t.tv_sec + (double)t.tv_nsec / 1e9,
                       .wall_s = (double)wall_ms / 1e3,
                       .ticks_a_second = (double)sysconf(_SC_CLK_TCK),
                       .page_bytes = sysconf(_SC_PAGESIZE)};
    read_user(m.user);
    return m;
}

static void print_command(struct buf *out, pid_t pid)
{
    char path[40], text[PROCESSES_COMMAND_MAX];
    snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
    ssize_t n = kernel_file_read(path, text, sizeof(text));
    buf_add_text(out, "[");
    for (ssize_t at = 0; at < n;) {
        size_t len = strnlen(text + at, (size_t)(n - at));
        if (at > 0)
            buf_add_text(out, ",");
        json_print_string(out, (struct slice){text + at, len});
        at += (ssize_t)len + 1;
    }
    buf_add_text(out, "]");
}

/* The share of a processor over the process' whole life: two lists are not needed for it, and any
 * gateway gets the same answer. */
static double cpu_percent(const struct process_info *p, const struct moment *m)
{
    double age = m->boot_s - (double)p->start_ticks / m->ticks_a_second;
    double used = (double)p->cpu_ticks / m->ticks_a_second;
    return age > 0.01 ? 100 * used / age : 0;
}

static void print_process(struct buf *out, const struct process_info *p, const struct moment *m)
{
    double created = m->wall_s - m->boot_s + (double)p->start_ticks / m->ticks_a_second;
    buf_addf(out, "{\"pid\":%d,\"ppid\":%d,\"name\":", (int)p->pid, (int)p->parent);
    json_print_string(out, slice_of(p->name));
    buf_add_text(out, ",\"cmdline\":");
    print_command(out, p->pid);
    buf_addf(out, ",\"status\":\"%s\",\"username\":", processes_status(p->state));
    json_print_string(out, slice_of(m->user));
    buf_addf(out,
             ",\"cpu_percent\":%.1f,\"memory_rss\":%" PRId64 ",\"num_threads\":%" PRId64
             ",\"create_time\":%.2f,\"protected\":%s}",
             cpu_percent(p, m), p->rss_pages * m->page_bytes, p->threads, created,
             is_protected(p->pid, p->parent) ? "true" : "false");
}

void processes_print(struct buf *out, pid_t after, int limit, int64_t wall_ms)
{
    struct moment m = now(wall_ms);
    struct process_tree t;
    int shown = 0;
    pid_t last = 0;
    bool more = false;
    buf_add_text(out, "{\"items\":[");
    if (read_tree(&t)) {
        qsort(t.items, t.count, sizeof(*t.items), by_pid);
        for (size_t i = 0; i < t.count && !more; i++) {
            struct process_info info;
            if (!t.items[i].marked || t.items[i].pid <= after || !read_info(t.items[i].pid, &info))
                continue;
            more = shown == limit;
            if (more)
                break;
            if (shown++ > 0)
                buf_add_text(out, ",");
            print_process(out, &info, &m);
            last = info.pid;
        }
        process_tree_fini(&t);
    }
    if (more)
        buf_addf(out, "],\"continue\":\"%d\"}", (int)last);
    else
        buf_add_text(out, "],\"continue\":null}");
}

pid_t processes_find_largest(void)
{
    struct process_tree t;
    struct process_info largest = {0}, info;
    if (!read_tree(&t))
        return 0;
    for (size_t i = 0; i < t.count; i++) {
        const struct process *p = &t.items[i];
        if (p->marked && !is_protected(p->pid, p->parent) && read_info(p->pid, &info) &&
            info.rss_pages > largest.rss_pages)
            largest = info;
    }
    process_tree_fini(&t);
    return largest.pid;
}

/* ---- signals ---- */

int processes_signal(const char *text)
{
    char *end;
    long number = isdigit((unsigned char)*text) ? strtol(text, &end, 10) : 0;
    if (number > 0)
        return *end == '\0' && number < NSIG ? (int)number : 0;
    if (strncasecmp(text, "SIG", 3) == 0)
        text += 3;
    for (int i = 1; i < NSIG; i++) {
        const char *name = sigabbrev_np(i);
        if (name && strcasecmp(name, text) == 0)
            return i;
    }
    return 0;
}

static int no_such(pid_t pid, struct err *err)
{
    return err_set(err, ERR_PROCESS_NOT_FOUND, "there is no process %d in this session", (int)pid);
}

static int check(pid_t pid, struct err *err)
{
    struct process_tree t;
    int rc = no_such(pid, err);
    if (!read_tree(&t))
        return rc;
    for (size_t i = 0; i < t.count; i++) {
        const struct process *p = &t.items[i];
        if (p->pid != pid || !p->marked)
            continue;
        rc = is_protected(pid, p->parent)
                 ? err_set(err, ERR_FORBIDDEN, "process %d belongs to the sandbox itself", (int)pid)
                 : 0;
    }
    process_tree_fini(&t);
    return rc;
}

int processes_kill(pid_t pid, int signum, struct err *err)
{
    /* Held before it is looked at: a number that is given to another process meanwhile is not met.
     */
    int handle = (int)syscall(SYS_pidfd_open, pid, 0);
    if (handle < 0 && errno == ESRCH)
        return no_such(pid, err);
    int rc = check(pid, err);
    if (rc == 0) {
        long sent = handle >= 0 ? syscall(SYS_pidfd_send_signal, handle, signum, NULL, 0)
                                : (long)kill(pid, signum);
        if (sent < 0)
            rc = errno == ESRCH ? no_such(pid, err)
                                : err_set_errno(err, ERR_SYSTEM, errno, "process %d", (int)pid);
    }
    if (handle >= 0)
        close(handle);
    return rc;
}
