/* object_files.h - objects as JSON files: <dir>/<kind>/<name>.json, written under a temporary name
 * and renamed. Blocking, but small: a few kilobytes into the page cache. */
#pragma once
#include "base/cc.h"
#include "base/err.h"
#include <stdbool.h>

#define OBJECT_FILE_MAX (2 * 1024 * 1024)

struct json_t;
/* Borrows the object. False: it is unusable, its file is to be removed. */
typedef bool object_files_f(struct json_t *object, void *user);

int object_files_write(const char *dir, const char *kind, const char *name,
                       const struct json_t *object, struct err *err) CHECK_RESULT;
void object_files_remove(const char *dir, const char *kind, const char *name);
/* Makes the directories. *bad counts files that were unusable and are gone now. */
int object_files_read(const char *dir, const char *kind, object_files_f *fn, void *user,
                      unsigned *bad, struct err *err) CHECK_RESULT;
/* A whole small file, for whoever keeps one; writes atomically. ERR_SYSTEM. */
int object_files_put_bytes(const char *path, const void *bytes, unsigned long len, int mode,
                           struct err *err) CHECK_RESULT;
/* The caller frees; NULL when missing, too large or unreadable. */
char *object_files_get_text(const char *path, unsigned long max);
