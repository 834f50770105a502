#include "sandbox/file_list.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/workspace_upload.h"
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define ENTRIES_A_STEP 512

struct item {
    char *path;
    struct stat st;
};

struct level {
    DIR *dir;
    size_t path_len; /* of its path, with the slash behind it */
};

struct file_list {
    const struct workspace *w;
    struct file_list_query q;
    struct level levels[WORKSPACE_DEPTH + 1];
    int depth; /* levels that are open */
    char path[WORKSPACE_NAME_SIZE + WORKSPACE_COMPONENT + 2];
    struct item *items; /* a heap, the greatest path on top; one more than the page takes */
    size_t count;
};

/* ---- the page ---- */

static void swap(struct item *a, struct item *b)
{
    struct item c = *a;
    *a = *b;
    *b = c;
}

static void sift_down(struct item *items, size_t count, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count)
            return;
        if (child + 1 < count && strcmp(items[child + 1].path, items[child].path) > 0)
            child++;
        if (strcmp(items[at].path, items[child].path) >= 0)
            return;
        swap(&items[at], &items[child]);
        at = child;
    }
}

static void sift_up(struct item *items, size_t at)
{
    for (; at > 0 && strcmp(items[at].path, items[(at - 1) / 2].path) > 0; at = (at - 1) / 2)
        swap(&items[at], &items[(at - 1) / 2]);
}

static bool is_full(const struct file_list *l)
{
    return l->count == (size_t)l->q.limit + 1;
}

static bool belongs(const struct file_list *l, const char *path)
{
    return strcmp(path, l->q.after) > 0 && (!is_full(l) || strcmp(path, l->items[0].path) < 0);
}

static void add(struct file_list *l, const char *path, const struct stat *st)
{
    struct item item = {mem_text(path), *st};
    if (is_full(l)) {
        free(l->items[0].path);
        l->items[0] = item;
        sift_down(l->items, l->count, 0);
        return;
    }
    l->items[l->count] = item;
    sift_up(l->items, l->count++);
}

/* ---- the folders ---- */

/* `fd` becomes the level's. Its path stands in l->path. */
static void enter(struct file_list *l, int fd)
{
    DIR *dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return;
    }
    size_t len = strlen(l->path);
    if (len > 0)
        l->path[len++] = '/';
    l->path[len] = '\0';
    l->levels[l->depth++] = (struct level){dir, len};
}

static void leave(struct file_list *l)
{
    closedir(l->levels[--l->depth].dir);
}

static int parts_of(const char *path)
{
    int n = 1;
    for (; *path; path++)
        n += *path == '/';
    return n;
}

/* Whether anything below the folder at l->path can be on the page: all of it begins with that path
 * and a slash. */
static bool may_hold_more(struct file_list *l)
{
    size_t len = strlen(l->path);
    if (!l->q.recursive || parts_of(l->path) >= WORKSPACE_DEPTH || len + 2 >= WORKSPACE_NAME_SIZE)
        return false;
    l->path[len] = '/';
    l->path[len + 1] = '\0';
    bool before = strncmp(l->q.after, l->path, len + 1) > 0;
    bool behind = is_full(l) && strcmp(l->path, l->items[0].path) > 0;
    l->path[len] = '\0';
    return !before && !behind;
}

static bool is_hidden(const struct file_list *l, const char *name)
{
    return l->path[0] == '\0' &&
           strncmp(name, WORKSPACE_UPLOAD_PREFIX, strlen(WORKSPACE_UPLOAD_PREFIX)) == 0;
}

static void take(struct file_list *l, const struct dirent *entry)
{
    const struct level *level = &l->levels[l->depth - 1];
    const char *name = entry->d_name;
    struct err ignored;
    struct stat st;
    l->path[level->path_len] = '\0';
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || is_hidden(l, name))
        return;
    size_t len = strlen(name);
    if (level->path_len + len >= WORKSPACE_NAME_SIZE)
        return;
    memcpy(l->path + level->path_len, name, len + 1);
    bool wanted = belongs(l, l->path);
    bool maybe_folder = entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN;
    if (!wanted && !(maybe_folder && may_hold_more(l)))
        return;
    if (fstatat(dirfd(level->dir), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return; /* gone meanwhile */
    if (wanted)
        add(l, l->path, &st);
    if (!S_ISDIR(st.st_mode) || !may_hold_more(l))
        return;
    int fd = workspace_open_below(l->w, dirfd(level->dir), name, &ignored);
    if (fd >= 0)
        enter(l, fd);
}

bool file_list_step(struct file_list *l)
{
    for (int i = 0; i < ENTRIES_A_STEP && l->depth > 0; i++) {
        const struct dirent *entry = readdir(l->levels[l->depth - 1].dir);
        if (entry)
            take(l, entry);
        else
            leave(l);
    }
    return l->depth == 0;
}

struct file_list *file_list_new(const struct workspace *w, const struct file_list_query *q,
                                struct err *err)
{
    int fd = workspace_open_folder(w, q->folder, err);
    if (fd < 0)
        return NULL;
    struct file_list *l = mem_alloc(sizeof(*l));
    l->w = w;
    l->q = *q;
    l->items = mem_array((size_t)q->limit + 1, sizeof(*l->items));
    snprintf(l->path, sizeof(l->path), "%s", q->folder);
    enter(l, fd);
    return l;
}

void file_list_free(struct file_list **l)
{
    if (!*l)
        return;
    while ((*l)->depth > 0)
        leave(*l);
    for (size_t i = 0; i < (*l)->count; i++)
        free((*l)->items[i].path);
    free((*l)->items);
    free(*l);
    *l = NULL;
}

/* ---- the answer ---- */

static const char *type_of(const struct stat *st)
{
    if (S_ISREG(st->st_mode))
        return "file";
    if (S_ISDIR(st->st_mode))
        return "directory";
    return S_ISLNK(st->st_mode) ? "symlink" : "other";
}

/* Whoever runs code there sets it as they like; what is no date is null. */
static void print_time(struct buf *out, const struct timespec *t)
{
    struct tm utc;
    char date[64];
    if (!gmtime_r(&t->tv_sec, &utc) || utc.tm_year < -1900 || utc.tm_year > 9999 - 1900) {
        buf_add_text(out, "null");
        return;
    }
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
    buf_addf(out, "\"%s.%03ldZ\"", date, t->tv_nsec / 1000000);
}

static void print_item(struct buf *out, const struct item *item)
{
    buf_add_text(out, "{\"name\":");
    json_print_string(out, slice_of(workspace_name_leaf(item->path)));
    buf_add_text(out, ",\"path\":");
    json_print_string(out, slice_of(item->path));
    buf_addf(out, ",\"size\":%" PRId64 ",\"type\":\"%s\",\"modified_at\":",
             S_ISREG(item->st.st_mode) ? (int64_t)item->st.st_size : 0, type_of(&item->st));
    print_time(out, &item->st.st_mtim);
    buf_add_text(out, "}");
}

static void print_token(struct buf *out, const char *path)
{
    buf_add_text(out, "\"");
    for (; *path; path++)
        buf_addf(out, "%02x", (unsigned)(unsigned char)*path);
    buf_add_text(out, "\"");
}

void file_list_print(struct file_list *l, struct buf *out)
{
    size_t shown = is_full(l) ? l->count - 1 : l->count;
    for (size_t n = l->count; n > 1; n--) { /* the heap becomes the order */
        swap(&l->items[0], &l->items[n - 1]);
        sift_down(l->items, n - 1, 0);
    }
    buf_add_text(out, "{\"items\":[");
    for (size_t i = 0; i < shown; i++) {
        if (i > 0)
            buf_add_text(out, ",");
        print_item(out, &l->items[i]);
    }
    buf_add_text(out, "],\"continue\":");
    if (shown < l->count)
        print_token(out, l->items[shown - 1].path);
    else
        buf_add_text(out, "null");
    buf_add_text(out, "}");
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool file_list_read_token(const char *token, char after[WORKSPACE_NAME_SIZE])
{
    size_t len = strlen(token);
    if (len == 0 || len % 2 != 0 || len / 2 >= WORKSPACE_NAME_SIZE)
        return false;
    for (size_t i = 0; i < len / 2; i++) {
        int high = digit(token[2 * i]), low = digit(token[2 * i + 1]);
        if (high < 0 || low < 0 || high * 16 + low == 0)
            return false;
        after[i] = (char)(high * 16 + low);
    }
    after[len / 2] = '\0';
    return true;
}
