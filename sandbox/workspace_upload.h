/* workspace_upload.h - a file on its way into the workspace: whole under its name, or not there.
 *
 * The bytes go to a file without a name (O_TMPFILE), or, where the file system has none such, to a
 * hidden one at the workspace's top; a name and the folders above it come with the commit. Errors:
 * as in workspace.h. Ownership: plain struct, to be ended by commit or abort, once. */
#pragma once
#include "base/slice.h"
#include "base/world.h"
#include "sandbox/workspace.h"
#include "sandbox/workspace_name.h"

/* Not shown in listings. */
#define WORKSPACE_UPLOAD_PREFIX ".spillway-upload-"

struct workspace_upload {
    const struct workspace *w;
    int fd;
    char temporary[sizeof(WORKSPACE_UPLOAD_PREFIX) + 32]; /* its hidden name, if it may have one */
    char name[WORKSPACE_NAME_SIZE];
    bool overwrite;
};

/* ERR_FILE_EXISTS at once where that can be seen already. */
int workspace_upload_begin(struct workspace_upload *u, const struct workspace *w,
                           struct world *world, const char *name, bool overwrite,
                           struct err *err) CHECK_RESULT;
int workspace_upload_write(struct workspace_upload *u, struct slice piece,
                           struct err *err) CHECK_RESULT;
/* *replaced: another file had that name. */
int workspace_upload_commit(struct workspace_upload *u, bool *replaced,
                            struct err *err) CHECK_RESULT;
void workspace_upload_abort(struct workspace_upload *u);
