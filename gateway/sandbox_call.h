/* sandbox_call.h - a call that the session's own agent answers: looked up, waited for, passed on
 * with both bodies streamed.
 *
 * Never makes a session: an unknown id is 404, one that has ended 409 session_ended. One that is
 * still coming up is waited for. */
#pragma once
#include "gateway/request.h"

struct sandbox_call {
    const char
        *path; /* at the agent; what the client's path ends with comes behind it, as it was sent */
    int64_t ready_ms; /* how long the session may take to be ready; 0: as for an execution */
    int64_t head_ms;
    int64_t total_ms;
    bool takes_file;  /* the body may be as large as an upload */
    int64_t body_max; /* of a body that is no file; 0: there is none */
};

/* Opens the request; `rest` {NULL, 0} where the path ends with the call itself. */
void sandbox_call_start(struct http_exchange *x, const struct http_route_match *m,
                        struct gateway *g, const struct sandbox_call *call, struct slice rest);

/* The same for a request that is open and found good. */
void sandbox_call_go(struct request *r, const struct sandbox_call *call, struct slice rest);
