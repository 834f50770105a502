/* Bodies of executions: the gateway's look at them, and the agent's. */
#include "gateway/exec_body.h"
#include "sandbox/exec_request.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct agent_limits limits = {0};
    struct slice body = {(const char *)data, size};
    struct exec_request r;
    struct buf out;
    struct err err;
    char language[32];
    limits.execution_ms = 10000;
    limits.execution_max_ms = 300000;
    buf_init(&out, EXEC_BODY_MAX);
    if (exec_body_from_execute(body, language, sizeof(language), &out, &err) == 0)
        INVARIANT(memchr(language, '\0', sizeof(language)) != NULL);
    buf_fini(&out);
    if (exec_request_parse_json(body, "python", &limits, &r, &err) == 0) {
        INVARIANT(r.background || r.timeout_ms <= limits.execution_max_ms);
        exec_request_fini(&r);
    }
    if (exec_request_parse_text(body, "python", &limits, &r, &err) == 0)
        exec_request_fini(&r);
    return 0;
}
