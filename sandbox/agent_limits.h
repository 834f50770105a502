/* agent_limits.h - what this session may use: SPILLWAY_LIMITS, with the defaults of the
 * documentation. Pure. */
#pragma once
#include "base/err.h"
#include <stdint.h>

struct agent_limits {
    int64_t execution_ms; /* when the request names no time-out */
    int64_t execution_max_ms;
    int64_t output_bytes; /* of each stream, kept in full */
    int64_t code_bytes;
    int64_t executions_max; /* at once */
    int64_t pids;
    int64_t memory_bytes; /* of the pod, with its workspace where that is in memory */
    int64_t workspace_bytes;
    int64_t upload_bytes; /* of one file */
    int64_t body_rate;    /* bytes a second of a request's body, see http_server.h */
    int64_t setup_ms;     /* for what is installed before the session is ready */
    bool warm;            /* interpreters are kept ready */
};

/* `json` NULL: the defaults. ERR_CONFIG names the member that is unknown or out of range. */
int agent_limits_parse(struct agent_limits *l, const char *json, struct err *err) CHECK_RESULT;
