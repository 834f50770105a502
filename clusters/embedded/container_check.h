/* container_check.h - the container's part of pod_check: fields, resources, mounts, security. Pure.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct json_t;
struct pod_check_node;

struct container_check_args {
    struct json_t *causes;
    const struct pod_check_node *node;
    const struct json_t *pod;
};

void container_check_defaults(struct json_t *container);
void container_check_list(const struct container_check_args *a, const struct json_t *list,
                          const char *path, bool init);
/* seccompProfile of a securityContext: RuntimeDefault or none. */
void container_check_seccomp(struct json_t *causes, const struct json_t *security,
                             const char *path);
/* A quantity as text or number; milli: in thousandths (CPU). False when it is none, or negative. */
bool container_check_quantity(const struct json_t *value, bool milli, int64_t *out);
