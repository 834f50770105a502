/* exec_request.h - the body of an exec call, read and checked: what to run, with what, for how
 * long. Pure.
 *
 * Ownership: the request owns its parts. `code` and `stdin_data` are bytes with lengths.
 * Errors:    ERR_BAD_JSON, ERR_INVALID_ARGUMENT, ERR_INVALID_ID, ERR_LIMIT_EXCEEDED,
 * ERR_PAYLOAD_TOO_LARGE; each names the member, and the limit where one was hit. Nothing is
 * clamped. */
#pragma once
#include "base/digest.h"
#include "base/err.h"
#include "sandbox/agent_limits.h"

#define EXEC_REQUEST_BODY_MAX                                                                      \
    ((size_t)4 * 1024 * 1024) /* escapes make JSON longer than what it says */
#define EXEC_REQUEST_STDIN_MAX         ((size_t)1024 * 1024)
#define EXEC_REQUEST_TEXTS_MAX         256 /* args, and env */
#define EXEC_REQUEST_TEXT_BYTES_MAX    ((size_t)64 * 1024)
#define EXEC_REQUEST_BACKGROUND_MAX_MS INT64_C(86400000)

/* "A=B" or arguments; terminated by NULL, so that it can be given to exec. */
struct text_list {
    char **items;
    size_t count;
};

struct json_t;

struct exec_request {
    char execution_id[65]; /* "": not named in the body */
    char context[65];      /* "": an interpreter of its own */
    char *event;           /* JSON text; NULL: none */
    size_t event_len;
    char *code;
    size_t code_len;
    char *stdin_data;
    size_t stdin_len;
    char *stdin_file; /* a name in the workspace; NULL: none */
    int stdin_fd;     /* that file, once it is opened for the run; 0: not */
    bool stdin_open;
    bool background;
    bool one_shot;        /* its session is its own: the answer calls it a run */
    struct json_t *files; /* run_files.h; NULL: none */
    int64_t timeout_ms;   /* 0: none, of a background execution only */
    char *cwd;            /* NULL: the workspace */
    char *filename;       /* NULL: the language's */
    struct text_list args;
    struct text_list env;
    char fingerprint[DIGEST_HEX]; /* of language and canonical body: the same run or another? */
};

int exec_request_parse_json(struct slice body, const char *language,
                            const struct agent_limits *limits, struct exec_request *out,
                            struct err *err) CHECK_RESULT;
/* The code itself. */
int exec_request_parse_text(struct slice body, const char *language,
                            const struct agent_limits *limits, struct exec_request *out,
                            struct err *err) CHECK_RESULT;
void exec_request_fini(struct exec_request *r);

struct json_t;
/* An object of texts as "NAME=value"; refuses names that are empty, hold '=' or begin with
 * SPILLWAY_. `what` is for the message. */
int text_list_from_env(const struct json_t *object, const char *what, struct text_list *out,
                       struct err *err) CHECK_RESULT;
void text_list_fini(struct text_list *l);
