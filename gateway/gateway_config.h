/* gateway_config.h - the gateway's configuration: one table of keys, see base/config.h for the
 * spellings.
 *
 * Ownership: the texts belong to the `struct config` that gateway_config_read() gives. */
#pragma once
#include "base/config.h"
#include "base/log.h"
#include "gateway/package_index.h"
#include "router/remote_conf.h"

enum gateway_auth { GATEWAY_AUTH_KEYS, GATEWAY_AUTH_NONE };

struct gateway_limits {
    int64_t execution_ms, execution_max_ms;
    int64_t session_ms, session_max_ms;
    int64_t idle_ms, linger_ms;
    int64_t ready_wait_ms, start_ms, setup_ms, wait_max_ms;
    int64_t output_bytes, code_bytes, create_body_bytes, upload_bytes;
    int64_t body_rate; /* bytes a second */
    int64_t tombstone_ms, tombstones;
    int64_t record_cache_bytes;
    int64_t executions;
    int64_t sessions_per_tenant; /* 0: no quota */
    int64_t sessions;            /* living ones of the site */
    int64_t millicpu_max, memory_bytes_max, disk_bytes_max;
    int64_t connections;
    int64_t package_bytes; /* that a session may take from the index */
};

struct gateway_watermark {
    bool usage; /* ask metrics-server */
    int64_t usage_interval_ms;
    int64_t cpu_high, cpu_low, memory_high, memory_low; /* percent */
    int64_t reserve;
    int64_t dwell_ms;
    int64_t gateways; /* of the site, as long as Redis does not tell */
};

struct gateway_config {
    const char *name; /* of this gateway: "" became host and process id */
    const char *site;
    struct config_list listen;
    struct config_list admin_listen;
    const char *auth_mode;
    enum gateway_auth auth;
    const char *auth_keys_file;
    const char *site_key_file;
    const char *kube_url, *kube_config, *kube_namespace;
    int64_t kube_call_ms;
    const char *redis_url, *redis_password_file, *redis_sentinel_password_file;
    int64_t redis_timeout_ms;
    const char *environments_file, *default_environment;
    const char *agent_image;
    const char *agent_delivery;  /* "init_container", "baked" */
    const char *sandbox_profile; /* "strict", "fast" */
    int64_t agent_port;
    bool agent_warm;           /* interpreters are kept ready */
    const char *runtime_class; /* "": the cluster's default */
    struct package_index packages;
    const char *packages_ca_file;
    int64_t overhead_millicpu; /* what the cluster adds to a pod of that class */
    int64_t overhead_memory_bytes;
    int64_t drain_ms;
    const char *log_level;
    struct gateway_limits limits;
    struct gateway_watermark watermark;
    const char *remote_token_file; /* what other sites must send; "": none may */
    struct config_map_list remote_rows;
    struct remote_conf remotes[REMOTES_MAX]; /* of remote_rows; tokens not read yet */
    size_t remote_count;
};

/* Reads and checks; NULL with err set when anything is wrong. */
struct config *gateway_config_read(int argc, char **argv, struct gateway_config *out,
                                   struct err *err) CHECK_RESULT;
/* What the table cannot say: auth against listeners, words. Pure. */
int gateway_config_check(struct gateway_config *c, struct err *err) CHECK_RESULT;
/* Only this machine can connect there. */
bool gateway_config_is_loopback(const char *address);
bool gateway_config_is_fast(const struct gateway_config *c); /* sandbox.profile */

extern const struct config_key GATEWAY_CONFIG_KEYS[];
extern const size_t GATEWAY_CONFIG_KEY_COUNT;
