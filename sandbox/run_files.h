/* run_files.h - the files that come with a run: [{name, content | content_base64}] into the
 * workspace, each whole or not at all, before the code begins. */
#pragma once
#include "base/err.h"
#include "sandbox/workspace.h"

struct json_t;
struct world;

#define RUN_FILES_MAX 64

/* ERR_INVALID_ARGUMENT, ERR_LIMIT_EXCEEDED; nothing is written. */
int run_files_check(const struct json_t *files, struct err *err) CHECK_RESULT;
/* Of what the above took. A file that is there is replaced. Errors as in workspace.h; those before
 * the one that failed stay. */
int run_files_write(const struct json_t *files, const struct workspace *w, struct world *world,
                    struct err *err) CHECK_RESULT;
