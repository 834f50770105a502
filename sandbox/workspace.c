#include "sandbox/workspace.h"
#include "sandbox/workspace_name.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FOLDER  (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define TO_LIST (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
/* A FIFO or a device that takes a file's place in the last moment must not hold us up. */
#define TO_READ (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

static int beneath(int folder, const char *path, int flags)
{
    struct open_how how = {
        .flags = (unsigned)flags,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    return (int)syscall(SYS_openat2, folder, path, &how, sizeof(how));
}

static bool has_openat2(int root)
{
    int fd = beneath(root, ".", FOLDER);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* Naming such a file goes through /proc, which must let us. */
static bool has_tmpfile(int root)
{
    char path[32];
    struct stat st;
    int fd = openat(root, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    bool named = stat(path, &st) == 0;
    close(fd);
    return named;
}

int workspace_open(struct workspace *w, const char *path, bool plain, struct err *err)
{
    *w = (struct workspace){.root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC)};
    if (w->root < 0)
        return err_set_errno(err, ERR_SYSTEM, errno, "cannot open the workspace %s", path);
    w->openat2 = !plain && has_openat2(w->root);
    w->tmpfile = !plain && has_tmpfile(w->root);
    return 0;
}

void workspace_close(struct workspace *w)
{
    if (w->root >= 0)
        close(w->root);
    w->root = -1;
}

int workspace_error(struct err *err, int sys, const char *name)
{
    switch (sys) {
    case ENOENT:
        return err_set(err, ERR_FILE_NOT_FOUND, "there is no '%s' in the workspace", name);
    case EEXIST:
        return err_set(err, ERR_FILE_EXISTS, "'%s' exists; ?overwrite=true replaces a file", name);
    case ELOOP:
        return err_set(err, ERR_FORBIDDEN, "'%s' is, or leads through, a symbolic link", name);
    case ENOTDIR:
        return err_set(err, ERR_FILE_NOT_FOUND, "on the way to '%s' is something that is no folder",
                       name);
    case EXDEV: /* openat2: out of the workspace */
    case EACCES:
    case EPERM:
        return err_set(err, ERR_FORBIDDEN, "'%s' may not be reached", name);
    case EISDIR:
    case ENOTEMPTY:
        return err_set(err, ERR_CONFLICT, "'%s' is a folder that is not empty", name);
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return err_set(err, ERR_WORKSPACE_FULL, "there is no room left for '%s'", name);
    case ENAMETOOLONG:
        return err_set(err, ERR_INVALID_ARGUMENT, "the name is too long for the file system");
    case EAGAIN: /* openat2: renamed under our hands */
        return err_set(err, ERR_BUSY, "the way to '%s' changes just now", name);
    default:
        return err_set_errno(err, ERR_SYSTEM, sys, "'%s'", name);
    }
}

/* ---- the way ---- */

/* O_PATH | O_NOFOLLOW | O_DIRECTORY on a link says ENOTDIR: tells it as openat2 does. */
static int told_apart(int folder, const char *component, int sys)
{
    struct stat st;
    if (sys == ENOTDIR && fstatat(folder, component, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISLNK(st.st_mode))
        sys = ELOOP;
    errno = sys;
    return -1;
}

/* One component, which is no path. */
static int step(const struct workspace *w, int folder, const char *component, int flags)
{
    int fd = w->openat2 ? beneath(folder, component, flags) : openat(folder, component, flags);
    return fd >= 0 ? fd : told_apart(folder, component, errno);
}

static int step_made(const struct workspace *w, int folder, const char *component)
{
    int fd = step(w, folder, component, FOLDER);
    if (fd >= 0 || errno != ENOENT)
        return fd;
    if (mkdirat(folder, component, 0755) < 0 && errno != EEXIST)
        return -1;
    return step(w, folder, component, FOLDER);
}

/* The folder of `name`'s last component. */
static int walk(const struct workspace *w, const char *name, bool make)
{
    char component[WORKSPACE_COMPONENT + 1];
    int folder = fcntl(w->root, F_DUPFD_CLOEXEC, 0);
    const char *slash;
    for (; folder >= 0 && (slash = strchr(name, '/')); name = slash + 1) {
        size_t len = (size_t)(slash - name);
        INVARIANT(len > 0 && len < sizeof(component));
        memcpy(component, name, len);
        component[len] = '\0';
        int next = make ? step_made(w, folder, component) : step(w, folder, component, FOLDER);
        int sys = errno;
        close(folder);
        errno = sys;
        folder = next;
    }
    return folder;
}

static int parent_of(const struct workspace *w, const char *name, bool make)
{
    const char *leaf = workspace_name_leaf(name);
    char folder[WORKSPACE_NAME_SIZE];
    if (leaf == name || !w->openat2)
        return walk(w, name, make);
    size_t len = (size_t)(leaf - name) - 1;
    INVARIANT(len < sizeof(folder));
    memcpy(folder, name, len);
    folder[len] = '\0';
    int fd = beneath(w->root, folder, FOLDER);
    /* The walk makes what is missing, and tells a link from what is no folder. */
    bool once_more = fd < 0 && (errno == ENOTDIR || (errno == ENOENT && make));
    return once_more ? walk(w, name, make) : fd;
}

int workspace_open_parent(const struct workspace *w, const char *name, bool make, struct err *err)
{
    int fd = parent_of(w, name, make);
    /* Who makes folders misses nothing: what is there is in the way. */
    if (fd < 0 && make && errno == ENOTDIR)
        return err_set(err, ERR_CONFLICT, "on the way to '%s' is something that is no folder",
                       name);
    return fd >= 0 ? fd : workspace_error(err, errno, name);
}

/* ---- what is there ---- */

static int check_regular(const struct stat *st, const char *name, struct err *err)
{
    if (S_ISREG(st->st_mode))
        return 0;
    if (S_ISLNK(st->st_mode))
        return workspace_error(err, ELOOP, name);
    return err_set(err, ERR_FORBIDDEN, "'%s' is %s", name,
                   S_ISDIR(st->st_mode) ? "a folder" : "no regular file");
}

int workspace_open_file(const struct workspace *w, const char *name, struct stat *st,
                        struct err *err)
{
    int folder = workspace_open_parent(w, name, false, err);
    if (folder < 0)
        return folder;
    const char *leaf = workspace_name_leaf(name);
    /* Looked at before it is opened: opening a FIFO is felt by who waits at its other end. */
    int rc = fstatat(folder, leaf, st, AT_SYMLINK_NOFOLLOW) < 0 ? workspace_error(err, errno, name)
                                                                : check_regular(st, name, err);
    int fd = rc == 0 ? step(w, folder, leaf, TO_READ) : -1;
    if (rc == 0 && fd < 0)
        rc = workspace_error(err, errno, name);
    close(folder);
    if (rc == 0)
        rc = fstat(fd, st) < 0 ? workspace_error(err, errno, name) : check_regular(st, name, err);
    if (rc == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return rc;
}

int workspace_open_below(const struct workspace *w, int folder, const char *component,
                         struct err *err)
{
    int fd = step(w, folder, component, TO_LIST);
    return fd >= 0 ? fd : workspace_error(err, errno, component);
}

int workspace_open_folder(const struct workspace *w, const char *name, struct err *err)
{
    if (*name == '\0')
        return workspace_open_below(w, w->root, ".", err);
    int folder = workspace_open_parent(w, name, false, err);
    if (folder < 0)
        return folder;
    int fd = step(w, folder, workspace_name_leaf(name), TO_LIST);
    int rc = fd >= 0 ? fd : workspace_error(err, errno, name);
    close(folder);
    return rc;
}

int workspace_remove(const struct workspace *w, const char *name, struct err *err)
{
    int folder = workspace_open_parent(w, name, false, err);
    if (folder < 0)
        return folder;
    const char *leaf = workspace_name_leaf(name);
    int rc = unlinkat(folder, leaf, 0);
    if (rc < 0 && (errno == EISDIR || errno == EPERM))
        rc = unlinkat(folder, leaf, AT_REMOVEDIR);
    if (rc < 0)
        rc = workspace_error(err, errno == EEXIST ? ENOTEMPTY : errno, name);
    close(folder);
    return rc;
}
