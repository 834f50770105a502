#include "sandbox/workspace_upload.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MODE 0644

/* A name that is taken, or a way that cannot be gone, is told before the bytes come; what changes
 * until the commit is told then. */
static int look_ahead(const struct workspace *w, const char *name, bool overwrite, struct err *err)
{
    struct stat st;
    struct err why;
    int folder = workspace_open_parent(w, name, false, &why);
    if (folder < 0 && why.code == ERR_FILE_NOT_FOUND)
        return 0; /* to be made */
    if (folder < 0) {
        *err = why;
        return folder;
    }
    bool there = fstatat(folder, workspace_name_leaf(name), &st, AT_SYMLINK_NOFOLLOW) == 0;
    close(folder);
    if (there && S_ISDIR(st.st_mode))
        return err_set(err, ERR_CONFLICT, "'%s' is a folder", name);
    return there && !overwrite ? workspace_error(err, EEXIST, name) : 0;
}

int workspace_upload_begin(struct workspace_upload *u, const struct workspace *w,
                           struct world *world, const char *name, bool overwrite, struct err *err)
{
    char random[33];
    *u = (struct workspace_upload){.w = w, .fd = -1, .overwrite = overwrite};
    int rc = look_ahead(w, name, overwrite, err);
    if (rc < 0)
        return rc;
    snprintf(u->name, sizeof(u->name), "%s", name);
    world_random_hex(world, random, 16);
    snprintf(u->temporary, sizeof(u->temporary), WORKSPACE_UPLOAD_PREFIX "%s", random);
    if (w->tmpfile)
        u->fd = openat(w->root, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, MODE);
    else
        u->fd = openat(w->root, u->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                       MODE);
    return u->fd >= 0 ? 0 : workspace_error(err, errno, name);
}

int workspace_upload_write(struct workspace_upload *u, struct slice piece, struct err *err)
{
    while (piece.len > 0) {
        ssize_t n = write(u->fd, piece.at, piece.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return workspace_error(err, errno, u->name);
        piece.at += n;
        piece.len -= (size_t)n;
    }
    return 0;
}

/* Gives it a name; fails where there is one. */
static int link_to(const struct workspace_upload *u, int folder, const char *leaf)
{
    char path[32];
    if (!u->w->tmpfile)
        return linkat(u->w->root, u->temporary, folder, leaf, 0);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", u->fd);
    return linkat(AT_FDCWD, path, folder, leaf, AT_SYMLINK_FOLLOW);
}

static int replace(const struct workspace_upload *u, int folder, const char *leaf)
{
    if (u->w->tmpfile && link_to(u, u->w->root, u->temporary) < 0)
        return -1;
    int rc = renameat(u->w->root, u->temporary, folder, leaf);
    int sys = errno;
    if (rc < 0)
        unlinkat(u->w->root, u->temporary, 0);
    errno = sys;
    return rc;
}

int workspace_upload_commit(struct workspace_upload *u, bool *replaced, struct err *err)
{
    const char *leaf = workspace_name_leaf(u->name);
    int folder = workspace_open_parent(u->w, u->name, true, err);
    int rc = folder;
    *replaced = false;
    if (folder >= 0) {
        rc = link_to(u, folder, leaf);
        if (rc < 0 && errno == EEXIST && u->overwrite) {
            rc = replace(u, folder, leaf);
            *replaced = rc == 0;
        }
        if (rc < 0)
            rc = errno == EISDIR ? err_set(err, ERR_CONFLICT, "'%s' is a folder", u->name)
                                 : workspace_error(err, errno, u->name);
        close(folder);
    }
    workspace_upload_abort(u); /* of what is in place this takes nothing away */
    return rc < 0 ? rc : 0;
}

void workspace_upload_abort(struct workspace_upload *u)
{
    if (u->fd < 0)
        return;
    if (!u->w->tmpfile)
        unlinkat(u->w->root, u->temporary, 0);
    close(u->fd);
    u->fd = -1;
}
