/* small_file.h - a configuration file whole: keys, passwords. Blocking; at start-up only. */
#pragma once
#include "base/buf.h"
#include "base/err.h"

/* Appends the file's bytes; ERR_CONFIG that names the file, also when it is larger than out->max.
 */
int small_file_read(const char *path, struct buf *out, struct err *err) CHECK_RESULT;
/* Takes the next line that is neither empty nor a # comment; trimmed. False at the end. */
bool small_file_line(struct slice *rest, struct slice *line, int *number);
