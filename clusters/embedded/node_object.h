/* node_object.h - the Node object of this machine, Namespace and RuntimeClass
 * objects. Pure but for uname(). */
#pragma once
#include "base/cc.h"
#include <stdint.h>

struct json_t;
struct node_config;

struct json_t *node_object_build(const struct node_config *config, int64_t wall_ms) CHECK_RESULT;
void node_object_heartbeat(struct json_t *node, int64_t wall_ms);
struct json_t *node_object_namespace(const char *name) CHECK_RESULT;
struct json_t *node_object_runtime_class(const struct node_config *config,
                                         const char *name) CHECK_RESULT;
