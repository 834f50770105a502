#include "clusters/embedded/node_config.h"
#include "clusters/embedded/names.h"
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AT(field) offsetof(struct node_config, field)

const struct config_key NODE_CONFIG_KEYS[] = {
    {"name", CONFIG_TEXT, AT(name), "node-1", 0, 0, "name of the node object"},
    {"listen", CONFIG_TEXT_LIST, AT(listen), "", 0, 0,
     "addresses of the API: 127.0.0.1:8001, unix:/path, fd:3; an inherited socket named api is "
     "always used"},
    {"data_dir", CONFIG_TEXT, AT(data_dir), "/var/lib/spillway-node", 0, 0,
     "objects on disk, pods' files, runtime state; private to this node"},
    {"crun", CONFIG_TEXT, AT(crun), "crun", 0, 0, "the OCI runtime"},
    {"runtimes", CONFIG_TEXT_MAP, AT(runtimes), "", 0, 0,
     "other runtimes, by RuntimeClass: gvisor = path of runsc"},
    {"overhead.cpu", CONFIG_MILLICPU, AT(overhead_millicpu), "250m", 0, 1000000000,
     "CPU that a pod gets, and is counted with, beside what it asked for, when its RuntimeClass "
     "brings a kernel of its own (runsc): overhead.podFixed"},
    {"overhead.memory", CONFIG_BYTES, AT(overhead_memory), "128Mi", 0, INT64_C(1) << 50,
     "memory of such a pod beside what it asked for"},
    {"nft", CONFIG_TEXT, AT(nft), "nft", 0, 0, "the nftables command"},
    {"cni.bin_dir", CONFIG_TEXT, AT(cni_bin_dir), "/usr/lib/cni", 0, 0,
     "where ptp and host-local are"},
    {"cni.pod_cidr", CONFIG_TEXT, AT(cni_pod_cidr), "10.210.0.0/16", 0, 0, "addresses of the pods"},
    {"cgroup_root", CONFIG_TEXT, AT(cgroup_root), "/spillway", 0, 0,
     "parent of the pods' cgroups in every hierarchy; private to this node"},
    {"images", CONFIG_TEXT_MAP, AT(images), "", 0, 0, "image name = root file system directory"},
    {"agent.image", CONFIG_TEXT, AT(agent_image), "spillway/agent", 0, 0,
     "an init container of this image is satisfied by a bind mount of agent.dir"},
    {"agent.dir", CONFIG_TEXT, AT(agent_dir), "", 0, 0,
     "directory with the agent and its runtimes"},
    {"capacity.cpu", CONFIG_MILLICPU, AT(capacity_millicpu), "4", 1, 1000000000,
     "CPU that pods may request"},
    {"capacity.memory", CONFIG_BYTES, AT(capacity_memory), "4Gi", 1, INT64_C(1) << 50,
     "memory that pods may request"},
    {"capacity.pods", CONFIG_INT, AT(capacity_pods), "40", 0, 10000, "how many pods run at once"},
    {"pod.pids", CONFIG_INT, AT(pod_pids), "128", 8, 100000,
     "processes of a pod without the annotation spillway.dev/pids"},
    {"pod.log_bytes", CONFIG_BYTES, AT(pod_log_bytes), "256Ki", 4096, 64 << 20,
     "how much output of a pod's containers is kept; the rest is refused to the writer"},
    {"network.firewall", CONFIG_BOOL, AT(network_firewall), "true", 0, 0,
     "nft table spillway_node: pods may answer, not ask; interfaces called veth* are pods"},
    {"exit.remove_pods", CONFIG_BOOL, AT(exit_remove_pods), "false", 0, 0,
     "on SIGTERM remove all pods and leave nothing"},
    {"namespace", CONFIG_TEXT, AT(sandbox_namespace), "sandboxes", 0, 0,
     "namespace that exists from the start"},
    {"log_level", CONFIG_TEXT, AT(log_level), "info", 0, 0, "debug, info, warn or error"},
};
const size_t NODE_CONFIG_KEY_COUNT = ARRAY_LEN(NODE_CONFIG_KEYS);

static int check_runtimes(const struct config_map *runtimes, struct err *err)
{
    for (size_t i = 0; i < runtimes->count; i++) {
        const char *name = runtimes->keys[i], *program = runtimes->values[i];

        if (!names_is_label(name))
            return err_set(err, ERR_CONFIG, "runtimes: '%s' is no DNS-1123 label", name);
        if (program[0] != '/' || access(program, X_OK) < 0)
            return err_set(err, ERR_CONFIG, "runtimes: %s: %s is no program", name, program);
    }
    return 0;
}

static int check_paths(const struct node_config *c, struct err *err)
{
    if (c->data_dir[0] != '/')
        return err_set(err, ERR_CONFIG, "data_dir: must be an absolute path");
    if (c->cgroup_root[0] != '/' || c->cgroup_root[1] == '\0' || strstr(c->cgroup_root, ".."))
        return err_set(err, ERR_CONFIG, "cgroup_root: must be a path below the root, as /spillway");
    for (size_t i = 0; i < c->images.count; i++) {
        struct stat st;

        if (stat(c->images.values[i], &st) < 0 || !S_ISDIR(st.st_mode))
            return err_set(err, ERR_CONFIG, "images: %s: %s is no directory", c->images.keys[i],
                           c->images.values[i]);
    }
    return check_runtimes(&c->runtimes, err);
}

static int check(void *target, struct err *err)
{
    const struct node_config *c = target;
    if (!names_is_label(c->sandbox_namespace))
        return err_set(err, ERR_CONFIG, "namespace: '%s' is no DNS-1123 label",
                       c->sandbox_namespace);
    if (!names_is_subdomain(c->name))
        return err_set(err, ERR_CONFIG, "name: '%s' is no DNS-1123 subdomain", c->name);
    return check_paths(c, err);
}

bool node_config_is_sandbox(const struct config_map *runtimes, const char *runtime_class)
{
    const char *program = *runtime_class ? config_map_get(runtimes, runtime_class) : NULL;
    const char *name = program ? strrchr(program, '/') : NULL;

    return name && strncmp(name, "/runsc", 6) == 0;
}

struct config *node_config_read(int argc, char **argv, struct node_config *out, struct err *err)
{
    return config_read_checked("spillway-node", NODE_CONFIG_KEYS, NODE_CONFIG_KEY_COUNT, argc, argv,
                               out, check, err);
}
