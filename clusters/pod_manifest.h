/* pod_manifest.h - the pod of a session, as docs/agent-api.md describes it. Pure. */
#pragma once
#include "base/cc.h"
#include <stdbool.h>
#include <stdint.h>

struct json_t;

struct pod_manifest {
    const char *session_id;
    const char *namespace_name;
    const char *site;
    const char *tenant;
    const char *epoch;
    const char *nonce;
    const char *token_sha256;
    const char *fingerprint;
    int64_t deadline_wall_ms;
    int64_t lifetime_max_s;    /* activeDeadlineSeconds: the site's maximum plus slack */
    const struct json_t *spec; /* annotation spillway.dev/spec */
    const char *image;
    const char *agent_image;   /* NULL: the agent is in `image` already */
    bool fast;                 /* no volume; agent_image is NULL */
    int64_t agent_port;        /* 0: the usual one */
    const char *runtime_class; /* NULL: the cluster's default */
    int64_t millicpu;
    int64_t memory_bytes; /* of the program */
    int64_t disk_bytes;   /* of the workspace: in memory, and then added to that; fast: on disk */
    int64_t pids;
    const struct json_t *limits; /* env SPILLWAY_LIMITS */
};

struct json_t *pod_manifest_build(const struct pod_manifest *m) CHECK_RESULT; /* gives */
