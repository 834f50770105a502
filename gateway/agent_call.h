/* agent_call.h - one small call to a session's agent, with its token.
 *
 * Ownership: a call is its own until `done` ran or agent_call_cancel() returned; it holds a
 * reference to the session. Callbacks: exactly once, never before agent_call_start() returned, also
 * when it could not even be started; not after cancel. Errors:    err NULL when an answer came,
 * whatever its status; ERR_UNAVAILABLE when nothing was sent. A 401 is tried again with the other
 * site key. */
#pragma once
#include "base/err.h"
#include "base/slice.h"
#include "http/http_message.h"
#include <stdint.h>

struct gateway;
struct session;
struct agent_call;

typedef void agent_call_done_f(int status, struct slice body, const struct err *err, void *user);

struct agent_call_request {
    enum http_method method;
    const char *target;          /* path?query; copied */
    struct slice body;           /* copied */
    const char *content_type;    /* of the body; NULL: application/json */
    const char *idempotency_key; /* NULL-able */
    int64_t total_ms;
    size_t reply_max; /* 0: 256 KiB */
};

struct agent_call *agent_call_start(struct gateway *g, struct session *s,
                                    const struct agent_call_request *req, agent_call_done_f *done,
                                    void *user) CHECK_RESULT;
void agent_call_cancel(struct agent_call **c); /* NULL accepted */

#define AGENT_CALL_AUTHORIZATION_SIZE 80
/* "Bearer TOKEN" for relays. */
void agent_call_authorization(const struct gateway *g, struct session *s,
                              char out[AGENT_CALL_AUTHORIZATION_SIZE]);
/* For a call of which no byte went out: nothing was done, and it may be tried again. */
void agent_call_tell_unsent(struct err *err);
/* What a reply with an error status says: its problem's code and detail. */
void agent_call_problem(int status, struct slice body, struct err *err);
