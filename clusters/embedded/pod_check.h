/* pod_check.h - which pods this node takes: fills in Kubernetes' defaults and refuses what it does
 * not have, field by field. Pure.
 *
 * The rule is a list of the fields that are known. A field that is not on it is refused, so that
 * nothing is silently ignored. Also the patches of a pod that are allowed. */
#pragma once
#include "base/cc.h"
#include <stdbool.h>

struct json_t;
struct config_map;

struct pod_check_node {
    const struct config_map *images;
    const char *agent_image;
    const char *agent_dir; /* "": there is none, so the agent's image runs as any other */
    const char *node_name;
};

/* Edits `pod` in place. Gives an array of causes {field, reason, message}, empty when the pod is
 * acceptable. */
struct json_t *pod_check(const struct pod_check_node *node, struct json_t *pod) CHECK_RESULT;

/* An init container that is satisfied without running: its image is the agent's and the node has
 * the agent's directory. */
bool pod_check_is_agent(const struct pod_check_node *node, const struct json_t *container);

/* A merge patch of a pod: labels, annotations, a shorter activeDeadlineSeconds; metadata.uid and
 * .resourceVersion may stand in it as preconditions. Gives causes as above. */
struct json_t *pod_check_patch(const struct json_t *pod, const struct json_t *patch) CHECK_RESULT;
