#include "clusters/embedded/node_object.h"
#include "base/json.h"
#include "clusters/embedded/node_config.h"
#include "clusters/embedded/pod_status.h"
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

static struct json_t *amounts(const struct node_config *c)
{
    char cpu[32], memory[32], pods[32];

    snprintf(cpu, sizeof cpu, "%lldm", (long long)c->capacity_millicpu);
    snprintf(memory, sizeof memory, "%lld", (long long)c->capacity_memory);
    snprintf(pods, sizeof pods, "%lld", (long long)c->capacity_pods);
    return json_build("{s:s, s:s, s:s}", "cpu", cpu, "memory", memory, "pods", pods);
}

static const char *architecture(const struct utsname *u)
{
    return strcmp(u->machine, "x86_64") == 0    ? "amd64"
           : strcmp(u->machine, "aarch64") == 0 ? "arm64"
                                                : u->machine;
}

static struct json_t *status(const struct node_config *c, const struct utsname *u)
{
    struct json_t *s =
        json_build("{s:[{s:s,s:s},{s:s,s:s}], s:{s:s,s:s,s:s,s:s,s:s}, s:[]}", "addresses", "type",
                   "InternalIP", "address", "127.0.0.1", "type", "Hostname", "address", c->name,
                   "nodeInfo", "kubeletVersion", "v0-spillway-" SPILLWAY_VERSION,
                   "containerRuntimeVersion", "crun://", "kernelVersion", u->release,
                   "operatingSystem", "linux", "architecture", architecture(u), "conditions");

    json_set(s, "capacity", amounts(c));
    json_set(s, "allocatable", amounts(c));
    return s;
}

void node_object_heartbeat(struct json_t *node, int64_t wall_ms)
{
    struct json_t *conditions = json_at(node, "status", "conditions", NULL);
    struct json_t *ready = json_item(conditions, 0);
    char now[32];

    pod_status_time(wall_ms, now);
    if (!ready) {
        ready =
            json_build("{s:s, s:s, s:s, s:s, s:s}", "type", "Ready", "status", "True", "reason",
                       "KubeletReady", "message", "spillway-node runs", "lastTransitionTime", now);
        json_add(conditions, json_ref(ready));
        json_free(ready);
    }
    json_set_text(ready, "lastHeartbeatTime", now);
}

struct json_t *node_object_build(const struct node_config *c, int64_t wall_ms)
{
    struct utsname u;
    struct json_t *node = NULL;

    uname(&u);
    node =
        json_build("{s:s, s:s, s:{s:s, s:{s:s, s:s, s:s}}, s:{}}", "apiVersion", "v1", "kind",
                   "Node", "metadata", "name", c->name, "labels", "kubernetes.io/hostname", c->name,
                   "kubernetes.io/os", "linux", "kubernetes.io/arch", architecture(&u), "spec");
    json_set(node, "status", status(c, &u));
    node_object_heartbeat(node, wall_ms);
    return node;
}

struct json_t *node_object_namespace(const char *name)
{
    return json_build("{s:s, s:s, s:{s:s, s:{s:s}}, s:{s:[s]}, s:{s:s}}", "apiVersion", "v1",
                      "kind", "Namespace", "metadata", "name", name, "labels",
                      "kubernetes.io/metadata.name", name, "spec", "finalizers", "kubernetes",
                      "status", "phase", "Active");
}

static struct json_t *overhead(const struct node_config *c)
{
    char cpu[32], memory[32];

    snprintf(cpu, sizeof cpu, "%lldm", (long long)c->overhead_millicpu);
    snprintf(memory, sizeof memory, "%lld", (long long)c->overhead_memory);
    return json_build("{s:s, s:s}", "cpu", cpu, "memory", memory);
}

struct json_t *node_object_runtime_class(const struct node_config *config, const char *name)
{
    struct json_t *class_object =
        json_build("{s:s, s:s, s:{s:s}, s:s}", "apiVersion", "node.k8s.io/v1", "kind",
                   "RuntimeClass", "metadata", "name", name, "handler", name);

    if (node_config_is_sandbox(&config->runtimes, name))
        json_set(class_object, "overhead", json_build("{s:o}", "podFixed", overhead(config)));
    return class_object;
}
