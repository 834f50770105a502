/* workspace.h - files below the workspace and nowhere else, whatever the code in it does meanwhile.
 *
 * Every way begins at the workspace's own descriptor and goes through no symbolic link: by one
 * openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS), or component by component
 * with O_NOFOLLOW where that call is missing (gVisor, older seccomp profiles). Names are those of
 * workspace_name.h, checked by the caller. Only regular files are opened. Ownership: descriptors
 * given out are the caller's, close-on-exec. Errors: ERR_FILE_NOT_FOUND, ERR_FILE_EXISTS,
 * ERR_FORBIDDEN (a link, no regular file, no permission), ERR_CONFLICT, ERR_WORKSPACE_FULL,
 * ERR_SYSTEM. */
#pragma once
#include "base/cc.h"
#include "base/err.h"
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

struct workspace {
    int root;     /* O_PATH */
    bool openat2; /* the kernel has it, and lets us */
    bool tmpfile; /* files without a name can be made there, and given one */
};

/* `plain`: neither openat2() nor O_TMPFILE, even where they are there. */
int workspace_open(struct workspace *w, const char *path, bool plain, struct err *err) CHECK_RESULT;
void workspace_close(struct workspace *w);

/* A regular file for reading; its descriptor, with what fstat() says of it. */
int workspace_open_file(const struct workspace *w, const char *name, struct stat *st,
                        struct err *err) CHECK_RESULT;
/* A folder for listing; "" is the workspace itself. */
int workspace_open_folder(const struct workspace *w, const char *name,
                          struct err *err) CHECK_RESULT;
/* One folder further down, from a folder's descriptor. */
int workspace_open_below(const struct workspace *w, int folder, const char *component,
                         struct err *err) CHECK_RESULT;
/* The folder that `name` lies in, for making or removing names there; made where it is missing, if
 * `make`: then ERR_CONFLICT where a file stands on the way. */
int workspace_open_parent(const struct workspace *w, const char *name, bool make,
                          struct err *err) CHECK_RESULT;
/* A file, a link itself, or an empty folder. */
int workspace_remove(const struct workspace *w, const char *name, struct err *err) CHECK_RESULT;
/* errno of something done to `name`, as an error. */
int workspace_error(struct err *err, int sys, const char *name);
