/* gateway_sample.h - environments, limits and requests that several tests of the gateway start
 * from. */
#pragma once
#include "base/json.h"
#include "gateway/environments.h"
#include "gateway/gateway_config.h"
#include "gateway/session_request.h"

static const struct gateway_limits SAMPLE_LIMITS = {
    .session_ms = 3600000,
    .session_max_ms = 86400000,
    .idle_ms = 300000,
    .linger_ms = 10000,
    .millicpu_max = 2000,
    .memory_bytes_max = (int64_t)2 << 30,
    .disk_bytes_max = (int64_t)1 << 30,
};

static inline struct environments *sample_environments(void)
{
    struct err err;
    struct json_t *file = json_parse(
        slice_of(
            "{\"environments\":{\"python\":{\"image\":\"spillway/"
            "python\",\"languages\":[\"python\","
            "\"bash\"],\"resources\":{\"cpu\":\"500m\",\"memory\":\"256Mi\",\"disk\":\"64Mi\"},"
            "\"pids\":64},\"node\":{\"image\":\"spillway/node\",\"languages\":[\"nodejs\"]}}}"),
        &err);
    struct environments *e = environments_parse(file, &err);
    json_free(file);
    return e;
}

static inline int sample_request(struct session_request *r, const struct environments *e,
                                 const char *body, struct err *err)
{
    const struct session_request_defaults d = {.environments = e,
                                               .environment = "python",
                                               .runtime_class = "",
                                               .cleanup = SESSION_CLEANUP_IDLE,
                                               .limits = &SAMPLE_LIMITS};
    return session_request_parse(r, slice_of(body), &d, err);
}
