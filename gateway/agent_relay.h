/* agent_relay.h - a request passed on to its session's agent, and the answer back, unparsed. */
#pragma once
#include "gateway/request.h"

struct agent_relay {
    enum http_method method;
    const char *target; /* path?query at the agent */
    int64_t head_ms;
    int64_t total_ms;
    int64_t body_max;
    bool is_exec; /* the answer's fields say what was submitted */
    /* In place of the agent's 410 and 404; NULL: the client gets that. */
    request_step_f *if_gone, *if_unknown;
};

/* Takes the request; it ends when the relay does. */
void agent_relay_start(struct request *r, struct session *s, const struct agent_relay *how);
/* "/v1/result?a=b" from the path and the client's query. ERR_BAD_REQUEST when too long. */
int agent_relay_target(const struct request *r, const char *path, char *out, size_t size,
                       struct err *err) CHECK_RESULT;
/* A call that was to run code came to its deadline: what its client can do. Others stay as they
 * are. */
void agent_relay_tell_unknown(struct err *err);
