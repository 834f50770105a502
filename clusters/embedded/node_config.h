/* node_config.h - the settings of spillway-node, from one table (base/config.h).
 *
 * Ownership: texts belong to the `struct config` that node_config_read() gives. */
#pragma once
#include "base/config.h"
#include <stdbool.h>
#include <stdint.h>

struct node_config {
    const char *name;
    struct config_list listen;
    const char *data_dir;
    const char *crun;
    struct config_map runtimes; /* RuntimeClass → program */
    int64_t overhead_millicpu;  /* of those that bring a kernel of their own */
    int64_t overhead_memory;
    const char *nft;
    const char *cni_bin_dir;
    const char *cni_pod_cidr;
    const char *cgroup_root;
    struct config_map images; /* image name → root file system directory */
    const char *agent_image;
    const char *agent_dir;
    int64_t capacity_millicpu;
    int64_t capacity_memory;
    int64_t capacity_pods;
    int64_t pod_pids;
    int64_t pod_log_bytes;
    bool network_firewall;
    bool exit_remove_pods;
    const char *sandbox_namespace;
    const char *log_level;
};

/* NULL with err set when a value is wrong; checks what the table cannot (absolute paths, image
 * directories). */
struct config *node_config_read(int argc, char **argv, struct node_config *out,
                                struct err *err) CHECK_RESULT;

/* Does the class run containers under a kernel of its own (runsc)? Then its processes are more than
 * the container's. */
bool node_config_is_sandbox(const struct config_map *runtimes, const char *runtime_class);

extern const struct config_key NODE_CONFIG_KEYS[];
extern const size_t NODE_CONFIG_KEY_COUNT;
