/* memory_file.h - bytes that a library wants as a file and that belong on no disk: keys,
 * certificates.
 *
 * Ownership: the caller closes *fd and frees *path; the name works in this process, while *fd is
 * open. */
#pragma once
#include "base/cc.h"
#include "base/err.h"
#include <stddef.h>

int memory_file_make(const char *what, const void *bytes, size_t len, int *fd, char **path,
                     struct err *err) CHECK_RESULT; /* ERR_SYSTEM */
