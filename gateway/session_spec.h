/* session_spec.h - what a session was asked to be, with every default filled in; kept on its pod
 * (annotation spillway.dev/spec). Pure.
 *
 * Ownership: the spec owns its metadata and packages; session_spec_fini() drops it. */
#pragma once
#include "base/err.h"
#include <stdint.h>

struct json_t;

enum session_cleanup { SESSION_CLEANUP_COMPLETION, SESSION_CLEANUP_IDLE };

struct session_spec {
    char environment[64];
    enum session_cleanup cleanup;
    int64_t timeout_ms;
    int64_t idle_ms;
    int64_t linger_ms;
    int64_t millicpu;
    int64_t memory_bytes;
    int64_t disk_bytes;
    char runtime_class[64]; /* "": the cluster's default */
    char placement_reason[32];
    char origin[64];         /* the site that sent it here; "": it came by itself */
    int64_t created_wall_ms; /* the cluster's own time-stamps are in seconds */
    bool has_env;            /* the agent waits for variables that only the creator knows */
    bool again; /* an earlier session of this id ran here: execution ids may be known already */
    struct json_t *metadata; /* object or NULL */
    struct json_t *packages; /* packages.h; NULL: none */
};

void session_spec_fini(struct session_spec *s);
void session_spec_copy(struct session_spec *to, const struct session_spec *from);
struct json_t *session_spec_to_json(const struct session_spec *s) CHECK_RESULT;
struct json_t *session_spec_resources(const struct session_spec *s) CHECK_RESULT;
/* Reads what session_spec_to_json() wrote; what is missing stays 0. ERR_BAD_JSON. */
int session_spec_from_text(struct session_spec *s, const char *text, struct err *err) CHECK_RESULT;
const char *session_cleanup_name(enum session_cleanup c);
