/* pod_bundle.h - the OCI bundle of a container: its mounts resolved, config.json written below the
 * pod's directory. */
#pragma once
#include "base/cc.h"
#include "base/err.h"
#include <limits.h>

struct json_t;
struct node_config;

struct pod_bundle {
    const char *dir; /* of the pod, see pod_files.h */
    const struct node_config *config;
    const struct json_t *pod;
    const struct json_t *container;
    const char *cgroups_path;
};

/* Writes <dir>/bundle/<container>/config.json; `bundle` gets that directory. Sub-paths of volumes
 * are made here, and refused when they are links (an init container may have written the volume).
 * Volumes that the agent's init container would have filled are the node's agent directory,
 * read-only. */
int pod_bundle_write(const struct pod_bundle *b, char bundle[PATH_MAX],
                     struct err *err) CHECK_RESULT;
