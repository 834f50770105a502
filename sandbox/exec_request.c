#include "sandbox/exec_request.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/exec_fingerprint.h"
#include "sandbox/result_query.h"
#include "sandbox/run_files.h"
#include "sandbox/workspace_name.h"
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef int member_f(const struct json_t *value, const struct agent_limits *limits,
                     struct exec_request *out, struct err *err);

static int not_a(struct err *err, const char *member, const char *wanted)
{
    return err_set(err, ERR_INVALID_ARGUMENT, "%s must be %s", member, wanted);
}

static int read_text_list(const struct json_t *array, const char *what, struct text_list *out,
                          struct err *err)
{
    if (!json_is_array(array))
        return not_a(err, what, "an array of texts");
    size_t count = json_count(array), bytes = 0;
    if (count > EXEC_REQUEST_TEXTS_MAX)
        return err_set(err, ERR_LIMIT_EXCEEDED, "%s has %zu texts, the limit is %d", what, count,
                       EXEC_REQUEST_TEXTS_MAX);
    out->items = mem_array(count + 1, sizeof(*out->items));
    for (size_t i = 0; i < count; i++) {
        const struct json_t *item = json_item(array, i);
        if (!json_is_string(item))
            return not_a(err, what, "an array of texts");
        bytes += json_text_len(item);
        out->items[out->count++] = mem_text(json_text(item));
    }
    if (bytes > EXEC_REQUEST_TEXT_BYTES_MAX)
        return err_set(err, ERR_LIMIT_EXCEEDED, "%s has %zu bytes, the limit is %zu", what, bytes,
                       EXEC_REQUEST_TEXT_BYTES_MAX);
    return 0;
}

static int check_env_name(const char *name, const char *what, struct err *err)
{
    if (name[0] == '\0' || strchr(name, '='))
        return err_set(err, ERR_INVALID_ARGUMENT, "%s: a name must not be empty or hold '='", what);
    if (strncmp(name, "SPILLWAY_", 9) == 0)
        return err_set(err, ERR_INVALID_ARGUMENT,
                       "%s: names that begin with SPILLWAY_ are reserved", what);
    return 0;
}

int text_list_from_env(const struct json_t *object, const char *what, struct text_list *out,
                       struct err *err)
{
    *out = (struct text_list){0};
    if (!json_is_object(object))
        return not_a(err, what, "an object of texts");
    size_t count = json_count(object), bytes = 0;
    if (count > EXEC_REQUEST_TEXTS_MAX)
        return err_set(err, ERR_LIMIT_EXCEEDED, "%s has %zu names, the limit is %d", what, count,
                       EXEC_REQUEST_TEXTS_MAX);
    out->items = mem_array(count + 1, sizeof(*out->items));
    const char *name;
    struct json_t *value;
    int rc = 0;
    for (void *it = NULL; rc == 0 && (it = json_next(object, it, &name, &value));) {
        rc = json_is_string(value) ? check_env_name(name, what, err)
                                   : not_a(err, what, "an object of texts");
        if (rc == 0) {
            char *pair = mem_format("%s=%s", name, json_text(value));
            out->items[out->count++] = pair;
            bytes += strlen(pair) + 1;
        }
    }
    if (rc == 0 && bytes > EXEC_REQUEST_TEXT_BYTES_MAX)
        rc = err_set(err, ERR_LIMIT_EXCEEDED, "%s has %zu bytes, the limit is %zu", what, bytes,
                     EXEC_REQUEST_TEXT_BYTES_MAX);
    if (rc < 0)
        text_list_fini(out);
    return rc;
}

void text_list_fini(struct text_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->items[i]);
    free(l->items);
    *l = (struct text_list){0};
}

/* -- one function a member -- */

static int take_code(struct exec_request *out, struct slice code, const struct agent_limits *limits,
                     struct err *err)
{
    if (code.len > (size_t)limits->code_bytes)
        return err_set(err, ERR_PAYLOAD_TOO_LARGE, "code has %zu bytes, the limit is %" PRId64,
                       code.len, limits->code_bytes);
    out->code = mem_text_n(code.len > 0 ? code.at : "", code.len);
    out->code_len = code.len;
    return 0;
}

static int read_code(const struct json_t *v, const struct agent_limits *limits,
                     struct exec_request *out, struct err *err)
{
    if (!json_is_string(v))
        return not_a(err, "code", "a text");
    return take_code(out, (struct slice){json_text(v), json_text_len(v)}, limits, err);
}

static int read_stdin(const struct json_t *v, const struct agent_limits *limits,
                      struct exec_request *out, struct err *err)
{
    (void)limits;
    if (!json_is_string(v))
        return not_a(err, "stdin", "a text");
    if (json_text_len(v) > EXEC_REQUEST_STDIN_MAX)
        return err_set(err, ERR_PAYLOAD_TOO_LARGE, "stdin has %zu bytes, the limit is %zu",
                       json_text_len(v), EXEC_REQUEST_STDIN_MAX);
    out->stdin_len = json_text_len(v);
    out->stdin_data = mem_text_n(json_text(v), out->stdin_len);
    return 0;
}

static int read_stdin_file(const struct json_t *v, const struct agent_limits *limits,
                           struct exec_request *out, struct err *err)
{
    (void)limits;
    if (!json_is_string(v))
        return not_a(err, "stdin_file", "the name of a file in the workspace");
    if (workspace_name_check((struct slice){json_text(v), json_text_len(v)}, err) < 0)
        return err_wrap(err, "stdin_file");
    out->stdin_file = mem_text(json_text(v));
    return 0;
}

static int read_stdin_open(const struct json_t *v, const struct agent_limits *limits,
                           struct exec_request *out, struct err *err)
{
    (void)limits;
    out->stdin_open = json_true(v);
    return json_is_bool(v) ? 0 : not_a(err, "stdin_open", "true or false");
}

static int read_background(const struct json_t *v, const struct agent_limits *limits,
                           struct exec_request *out, struct err *err)
{
    (void)limits;
    out->background = json_true(v);
    return json_is_bool(v) ? 0 : not_a(err, "background", "true or false");
}

static int read_args(const struct json_t *v, const struct agent_limits *limits,
                     struct exec_request *out, struct err *err)
{
    (void)limits;
    return read_text_list(v, "args", &out->args, err);
}

static int read_env(const struct json_t *v, const struct agent_limits *limits,
                    struct exec_request *out, struct err *err)
{
    (void)limits;
    return text_list_from_env(v, "env", &out->env, err);
}

/* The upper limit depends on `background`, so it is checked when all members are read. */
static int read_timeout(const struct json_t *v, const struct agent_limits *limits,
                        struct exec_request *out, struct err *err)
{
    (void)limits;
    double seconds = json_is_number(v) ? json_number(v, -1) : -1;
    if (!isfinite(seconds) || seconds <= 0)
        return not_a(err, "timeout_seconds", "a number above 0");
    double ms = ceil(seconds * 1000);
    out->timeout_ms = ms < (double)(INT64_MAX / 2) ? (int64_t)ms : INT64_MAX / 2;
    return 0;
}

static int read_execution_id(const struct json_t *v, const struct agent_limits *limits,
                             struct exec_request *out, struct err *err)
{
    (void)limits;
    const char *id = json_text(v);
    if (!id || !result_query_id_ok(id))
        return err_set(err, ERR_INVALID_ID, "execution_id must be 1 to 64 of [A-Za-z0-9._-]");
    snprintf(out->execution_id, sizeof(out->execution_id), "%s", id);
    return 0;
}

static int read_cwd(const struct json_t *v, const struct agent_limits *limits,
                    struct exec_request *out, struct err *err)
{
    (void)limits;
    const char *text = json_text(v);
    if (!text || text[0] == '\0' || strlen(text) >= PATH_MAX)
        return not_a(err, "cwd", "the path of a folder");
    out->cwd = mem_text(text);
    return 0;
}

/* It names a file in tracebacks and beside the code, never a place elsewhere. */
static int read_filename(const struct json_t *v, const struct agent_limits *limits,
                         struct exec_request *out, struct err *err)
{
    (void)limits;
    const char *text = json_text(v);
    bool good = text && text[0] != '\0' && text[0] != '-' && strlen(text) <= 200 &&
                strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
    for (const char *p = text; good && *p; p++)
        good = (unsigned char)*p >= ' ' && *p != '/' && *p != 0x7f;
    if (!good)
        return not_a(
            err, "filename",
            "a name of at most 200 bytes without '/', control characters or a leading '-'");
    out->filename = mem_text(text);
    return 0;
}

static int read_context(const struct json_t *v, const struct agent_limits *limits,
                        struct exec_request *out, struct err *err)
{
    (void)limits;
    const char *id = json_text(v);
    if (!id || !result_query_id_ok(id))
        return err_set(err, ERR_INVALID_ID, "context must be 1 to 64 of [A-Za-z0-9._-]");
    snprintf(out->context, sizeof(out->context), "%s", id);
    return 0;
}

/* Anything; the code's handler() gets it. */
static int read_event(const struct json_t *v, const struct agent_limits *limits,
                      struct exec_request *out, struct err *err)
{
    (void)limits;
    struct buf text;
    buf_init(&text, EXEC_REQUEST_BODY_MAX);
    json_print(v, &text);
    bool fits = !text.overflowed;
    if (fits) {
        out->event_len = text.len;
        out->event = mem_text_n(text.data, text.len);
    }
    buf_fini(&text);
    return fits ? 0 : err_set(err, ERR_PAYLOAD_TOO_LARGE, "event is too large");
}

static int read_files(const struct json_t *v, const struct agent_limits *limits,
                      struct exec_request *out, struct err *err)
{
    (void)limits;
    int rc = run_files_check(v, err);
    if (rc == 0)
        out->files = json_copy(v);
    return rc;
}

static int read_one_shot(const struct json_t *v, const struct agent_limits *limits,
                         struct exec_request *out, struct err *err)
{
    (void)limits;
    out->one_shot = json_true(v);
    return json_is_bool(v) ? 0 : not_a(err, "one_shot", "true or false");
}

static const struct {
    const char *name;
    member_f *read;
} MEMBERS[] = {
    {"code", read_code},
    {"stdin", read_stdin},
    {"stdin_open", read_stdin_open},
    {"background", read_background},
    {"args", read_args},
    {"env", read_env},
    {"timeout_seconds", read_timeout},
    {"execution_id", read_execution_id},
    {"cwd", read_cwd},
    {"filename", read_filename},
    {"context", read_context},
    {"stdin_file", read_stdin_file},
    {"event", read_event},
    {"files", read_files},
    {"one_shot", read_one_shot},
};

static int read_member(const char *key, const struct json_t *value,
                       const struct agent_limits *limits, struct exec_request *out, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(MEMBERS); i++) {
        if (strcmp(MEMBERS[i].name, key) != 0)
            continue;
        /* null is a member that was not given; but a handler may be called with it. */
        bool given = !json_is_null(value) || MEMBERS[i].read == read_event;
        return given ? MEMBERS[i].read(value, limits, out, err) : 0;
    }
    return err_set(err, ERR_INVALID_ARGUMENT, "unknown member \"%.64s\"", key);
}

static int check_timeout(struct exec_request *r, const struct agent_limits *limits, struct err *err)
{
    int64_t max = r->background ? EXEC_REQUEST_BACKGROUND_MAX_MS : limits->execution_max_ms;
    if (r->timeout_ms > max)
        return err_set(err, ERR_LIMIT_EXCEEDED, "timeout_seconds is above the maximum of %.3g s",
                       (double)max / 1000);
    if (r->timeout_ms == 0 && !r->background)
        r->timeout_ms = limits->execution_ms;
    return 0;
}

static int check_stdin(const struct exec_request *r, struct err *err)
{
    if (r->stdin_file && r->stdin_data)
        return err_set(err, ERR_INVALID_ARGUMENT, "stdin and stdin_file are not for the same run");
    if (r->stdin_file && r->stdin_open)
        return err_set(err, ERR_INVALID_ARGUMENT, "stdin_file ends with the file: no stdin_open");
    if (r->context[0] && r->stdin_open)
        return err_set(err, ERR_INVALID_ARGUMENT, "stdin_open is not for a context");
    return 0;
}

static int read_object(struct json_t *body, const char *language, const struct agent_limits *limits,
                       struct exec_request *out, struct err *err)
{
    const char *key;
    struct json_t *value;
    for (void *it = NULL; (it = json_next(body, it, &key, &value));) {
        int rc = read_member(key, value, limits, out, err);
        if (rc < 0)
            return rc;
    }
    if (!out->code)
        return err_set(err, ERR_INVALID_ARGUMENT, "code is missing");
    int rc = check_timeout(out, limits, err);
    if (rc == 0)
        rc = check_stdin(out, err);
    if (rc < 0)
        return rc;
    exec_fingerprint_json(language, body, out->fingerprint);
    return 0;
}

int exec_request_parse_json(struct slice body, const char *language,
                            const struct agent_limits *limits, struct exec_request *out,
                            struct err *err)
{
    *out = (struct exec_request){0};
    struct json_t *j = json_parse_object(body, err);
    if (!j)
        return -ERR_BAD_JSON;
    int rc = read_object(j, language, limits, out, err);
    json_free(j);
    if (rc < 0)
        exec_request_fini(out);
    return rc;
}

int exec_request_parse_text(struct slice body, const char *language,
                            const struct agent_limits *limits, struct exec_request *out,
                            struct err *err)
{
    *out = (struct exec_request){.timeout_ms = limits->execution_ms};
    int rc = take_code(out, body, limits, err);
    if (rc == 0)
        exec_fingerprint_text(language, body, out->fingerprint);
    return rc;
}

void exec_request_fini(struct exec_request *r)
{
    json_free(r->files);
    free(r->code);
    free(r->stdin_data);
    free(r->stdin_file);
    if (r->stdin_fd > 0)
        close(r->stdin_fd);
    free(r->event);
    free(r->cwd);
    free(r->filename);
    text_list_fini(&r->args);
    text_list_fini(&r->env);
    *r = (struct exec_request){0};
}
