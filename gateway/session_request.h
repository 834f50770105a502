/* session_request.h - a create request, from the body's JSON to a checked struct with every default
 * filled in. Pure.
 *
 * Too much is refused, never clamped; a member that is not known is refused by its name.
 * Ownership: the request owns its env and metadata; session_request_fini(). */
#pragma once
#include "base/slice.h"
#include "gateway/session_id.h"
#include "gateway/session_spec.h"
#include "gateway/site_key.h"

struct environments;
struct environment;
struct gateway_limits;

/* What another site has decided already about a session that it sends here. */
struct session_origin {
    char site[SESSION_ID_SIZE]; /* "": it comes from a client */
    char epoch[33];
    char fingerprint[DIGEST_HEX];
    char reason[32];
    int64_t left_ms; /* until its deadline */
    bool again;
};

struct session_request {
    char session_id[SESSION_ID_SIZE]; /* "" when the body names none */
    char placement[SESSION_ID_SIZE];  /* "auto", "local", "remote" or a site */
    const struct environment *environment;
    struct session_spec spec;
    struct json_t *env; /* object of texts, or NULL */
    struct session_origin origin;
    bool is_new_id; /* made for it just now: nobody else can have used it */
};

struct session_request_defaults {
    const struct environments *environments;
    const char *environment;
    const char *runtime_class;
    enum session_cleanup cleanup;
    const struct gateway_limits *limits;
};

/* An empty body is a request with every default. ERR_BAD_JSON, ERR_INVALID_ARGUMENT,
 * ERR_LIMIT_EXCEEDED, ERR_INVALID_ID, ERR_RESERVED_ID, ERR_UNKNOWN_ENVIRONMENT. On failure nothing
 * is owned. */
int session_request_parse(struct session_request *r, struct slice body,
                          const struct session_request_defaults *d, struct err *err) CHECK_RESULT;
void session_request_fini(struct session_request *r);
/* What tells whether two create requests are the same: digest of the canonical request. It is
 * written on the pod, and `env` may be secret, so it is keyed with the site's key. */
void session_request_fingerprint(const struct session_request *r, struct slice site_key,
                                 char out[DIGEST_HEX]);
bool session_request_matches(const struct session_request *r, const struct site_key *k,
                             const char *fingerprint);
