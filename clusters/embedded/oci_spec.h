/* oci_spec.h - a pod's container as an OCI runtime configuration. Pure: everything that is the
 * machine's comes in by arguments. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OCI_SPEC_MOUNTS_MAX 40

struct json_t;

/* A bind mount: a volume (or its sub-path), or a generated file. Texts are borrowed. */
struct oci_spec_mount {
    const char *source;
    const char *target;
    bool read_only;
};

struct oci_spec_args {
    const struct json_t *pod;
    const struct json_t *container;
    const char *rootfs;
    const char *hostname;
    const char *netns_path;
    const char *cgroups_path;
    const struct oci_spec_mount *mounts;
    size_t mount_count;
    int64_t pids;            /* limit */
    bool limits_swap;        /* the machine can: then none, so that the memory's limit is one */
    int oom_score_adj;       /* not below the node's own: it may lack CAP_SYS_RESOURCE */
    int64_t open_files_hard; /* the node's own hard limit, for the same reason */
};

/* The pod's share of a processor, as a cgroup has it. */
struct oci_spec_cpu {
    int64_t quota_us;          /* 0: no limit */
    int64_t programs_quota_us; /* without the pod's overhead */
    int64_t period_us;
    int64_t shares;
};

struct oci_spec_cpu oci_spec_cpu(const struct json_t *pod, const struct json_t *container);
struct json_t *oci_spec_build(const struct oci_spec_args *a);
/* The pod's annotation spillway.dev/pids, or the default when it is absent or no number from 1 to
 * 100000. */
int64_t oci_spec_pids(const struct json_t *pod, int64_t otherwise);
/* spec.hostname or the pod's name, cut to what a host name may be. */
void oci_spec_hostname(const struct json_t *pod, char out[64]);
