/* exec_body.h - bodies of executions, as far as the gateway looks into them. Pure. */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include "gateway/json_members.h"

/* As the agent's own limit: escapes make JSON longer than the code in it. */
#define EXEC_BODY_MAX ((size_t)4 * 1024 * 1024)

/* That of a one-shot run, with its files, as nginx lets it in. */
#define EXEC_BODY_RUN_MAX ((size_t)2 * 1024 * 1024)

typedef int exec_body_f(struct slice body, char *language, size_t language_size, struct buf *out,
                        struct err *err);
/* The body of POST …/execute, {code, language?, filename?, timeout?, …}, as one of
 * …/exec/{language}: takes `language` out (default python) and calls `timeout` timeout_seconds.
 * What else it says is the agent's to judge. ERR_BAD_JSON, ERR_UNKNOWN_LANGUAGE. */
exec_body_f exec_body_from_execute CHECK_RESULT;
/* The same of POST /api/run, which may not name an execution: its session is its own. */
exec_body_f exec_body_from_run CHECK_RESULT;
