/* workspace_name.h - which names a file of the workspace may be asked for by. Pure.
 *
 * A name is a path below the workspace: components of 1 to 255 bytes between single slashes, none
 * of them "." or "..", no control character. Nothing is cleaned: what does not fit is refused
 * (ERR_INVALID_ARGUMENT). */
#pragma once
#include "base/err.h"
#include "base/slice.h"
#include <stddef.h>

#define WORKSPACE_NAME_SIZE ((size_t)1025) /* with the NUL */
#define WORKSPACE_COMPONENT ((size_t)255)
#define WORKSPACE_DEPTH     32

int workspace_name_check(struct slice name, struct err *err) CHECK_RESULT;
/* A part of a request's path: percent-decoded once, then checked. */
int workspace_name_decode(struct slice raw, char out[WORKSPACE_NAME_SIZE],
                          struct err *err) CHECK_RESULT;
/* Folder (may be "") and file name to one name, checked. */
int workspace_name_join(const char *folder, const char *name, char out[WORKSPACE_NAME_SIZE],
                        struct err *err) CHECK_RESULT;
/* The last component. */
const char *workspace_name_leaf(const char *name);
