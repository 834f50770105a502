#include "clusters/embedded/pod_bundle.h"
#include "base/json.h"
#include "base/mem.h"
#include "clusters/embedded/cgroup.h"
#include "clusters/embedded/node_config.h"
#include "clusters/embedded/object_files.h"
#include "clusters/embedded/oci_spec.h"
#include "clusters/embedded/pod_check.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define CGROUP_MOUNT      "/sys/fs/cgroup"
#define CONFIG_BYTES_MAX  ((size_t)1024 * 1024)
#define SANDBOX_PIDS      256
#define SANDBOX_PIDS_EACH 4
#define OOM_SCORE_ADJ                                                                              \
    500 /* on a machine that runs out of memory sandboxes go before the gateway                    \
         */

struct mount_table {
    struct oci_spec_mount rows[OCI_SPEC_MOUNTS_MAX];
    char *sources[OCI_SPEC_MOUNTS_MAX];
    size_t count;
};

static void add(struct mount_table *t, char *source /* takes */, const char *target, bool read_only)
{
    INVARIANT(t->count < OCI_SPEC_MOUNTS_MAX);
    t->sources[t->count] = source;
    t->rows[t->count++] = (struct oci_spec_mount){source, target, read_only};
}

/* The volume that an init container of the agent's image mounts: here it is the agent's directory
 * itself. */
static bool is_agent_volume(const struct pod_bundle *b, const char *volume)
{
    const struct json_t *list = json_at(b->pod, "spec", "initContainers", NULL);
    const struct pod_check_node node = {.agent_image = b->config->agent_image,
                                        .agent_dir = b->config->agent_dir};

    for (size_t i = 0; i < json_count(list); i++) {
        const struct json_t *mounts = json_get(json_item(list, i), "volumeMounts");

        if (!pod_check_is_agent(&node, json_item(list, i)))
            continue;
        for (size_t m = 0; m < json_count(mounts); m++)
            if (strcmp(json_get_text(json_item(mounts, m), "name", ""), volume) == 0)
                return true;
    }
    return false;
}

/* Makes the sub-path with the volume's group, and looks at what is there: never through a link. */
static int check_sub_path(const struct pod_bundle *b, const char *path, struct err *err)
{
    const struct json_t *group = json_at(b->pod, "spec", "securityContext", "fsGroup", NULL);
    struct stat st;

    if (mkdir(path, 0777) == 0) {
        if (chmod(path, 0777) < 0 ||
            (group && chown(path, (uid_t)-1, (gid_t)json_int(group, 0)) < 0))
            return err_set_errno(err, ERR_SYSTEM, errno, "%s", path);
        return 0;
    }
    if (errno != EEXIST || lstat(path, &st) < 0)
        return err_set_errno(err, ERR_SYSTEM, errno, "%s", path);
    if (!S_ISDIR(st.st_mode))
        return err_set(err, ERR_SYSTEM, "subPath %s is no directory", strrchr(path, '/') + 1);
    return 0;
}

static int add_volume(struct mount_table *t, const struct pod_bundle *b, const struct json_t *mount,
                      struct err *err)
{
    const char *name = json_get_text(mount, "name", "");
    const char *sub = json_get_text(mount, "subPath", "");
    const char *target = json_get_text(mount, "mountPath", "");
    bool agent = is_agent_volume(b, name);
    char *source = agent ? mem_format("%s%s%s", b->config->agent_dir, *sub ? "/" : "", sub)
                         : mem_format("%s/volumes/%s%s%s", b->dir, name, *sub ? "/" : "", sub);

    add(t, source, target, agent || json_true(json_get(mount, "readOnly")));
    return agent || !*sub ? 0 : check_sub_path(b, source, err);
}

static int by_depth(const void *a, const void *b)
{
    return strcmp(((const struct oci_spec_mount *)a)->target,
                  ((const struct oci_spec_mount *)b)->target);
}

static int fill_mounts(struct mount_table *t, const struct pod_bundle *b, struct err *err)
{
    static const char *const files[] = {"hosts", "hostname", "resolv.conf"};
    static const char *const targets[] = {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf"};
    const struct json_t *mounts = json_get(b->container, "volumeMounts");
    int rc = 0;

    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        add(t, mem_format("%s/files/%s", b->dir, files[i]), targets[i], true);
    for (size_t i = 0; i < json_count(mounts) && rc == 0; i++)
        rc = add_volume(t, b, json_item(mounts, i), err);
    /* Outer mounts first, or they would hide the inner ones. */
    qsort(t->rows, t->count, sizeof t->rows[0], by_depth);
    return rc;
}

static int own_oom_score(void)
{
    char *text = NULL;
    FILE *f = fopen("/proc/self/oom_score_adj", "re");
    char line[32] = "0";

    if (f) {
        text = fgets(line, sizeof line, f);
        fclose(f);
    }
    return text ? (int)strtol(text, NULL, 10) : 0;
}

/* A kernel of its own needs threads beside the pod's processes, some for each of them; the limit is
 * then only the machine's protection, and the pod's own is the agent's to keep. */
static int64_t pids_limit(const struct pod_bundle *b)
{
    const char *class_name = json_get_text(json_get(b->pod, "spec"), "runtimeClassName", "");
    int64_t pids = oci_spec_pids(b->pod, b->config->pod_pids);

    return node_config_is_sandbox(&b->config->runtimes, class_name)
               ? pids * SANDBOX_PIDS_EACH + SANDBOX_PIDS
               : pids;
}

static struct json_t *spec(const struct pod_bundle *b, const struct mount_table *t)
{
    char netns[PATH_MAX], hostname[64];
    struct rlimit files = {.rlim_max = 1024};
    int own = own_oom_score();

    snprintf(netns, sizeof netns, "%s/netns", b->dir);
    oci_spec_hostname(b->pod, hostname);
    getrlimit(RLIMIT_NOFILE, &files);
    return oci_spec_build(&(struct oci_spec_args){
        .pod = b->pod,
        .container = b->container,
        .rootfs = config_map_get(&b->config->images, json_get_text(b->container, "image", "")),
        .hostname = hostname,
        .netns_path = netns,
        .cgroups_path = b->cgroups_path,
        .mounts = t->rows,
        .mount_count = t->count,
        .pids = pids_limit(b),
        .limits_swap = cgroup_limits_swap(CGROUP_MOUNT),
        .oom_score_adj = own > OOM_SCORE_ADJ ? own : OOM_SCORE_ADJ,
        .open_files_hard = files.rlim_max > INT32_MAX ? INT32_MAX : (int64_t)files.rlim_max,
    });
}

static int write_config(const char *bundle, struct json_t *config, struct err *err)
{
    char path[PATH_MAX + 16];
    struct buf text;
    int rc = 0;

    snprintf(path, sizeof path, "%s/config.json", bundle);
    buf_init(&text, CONFIG_BYTES_MAX);
    json_print(config, &text);
    rc = text.overflowed ? err_set(err, ERR_SYSTEM, "the container's configuration is too large")
                         : object_files_put_bytes(path, text.data, text.len, 0600, err);
    buf_fini(&text);
    return rc;
}

int pod_bundle_write(const struct pod_bundle *b, char bundle[PATH_MAX], struct err *err)
{
    struct mount_table table = {.count = 0};
    struct json_t *config = NULL;
    int rc = fill_mounts(&table, b, err);

    snprintf(bundle, PATH_MAX, "%s/bundle/%s", b->dir, json_get_text(b->container, "name", ""));
    if (rc == 0 && mkdir(bundle, 0700) < 0 && errno != EEXIST)
        rc = err_set_errno(err, ERR_SYSTEM, errno, "%s", bundle);
    if (rc == 0) {
        config = spec(b, &table);
        rc = write_config(bundle, config, err);
        json_free(config);
    }
    for (size_t i = 0; i < table.count; i++)
        free(table.sources[i]);
    return rc;
}
