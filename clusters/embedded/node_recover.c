#include "clusters/embedded/node_recover.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "clusters/embedded/cgroup.h"
#include "clusters/embedded/cni.h"
#include "clusters/embedded/container_run.h"
#include "clusters/embedded/node_config.h"
#include "clusters/embedded/object_files.h"
#include "clusters/embedded/object_store.h"
#include "clusters/embedded/oci_runtime.h"
#include "clusters/embedded/pod_files.h"
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CGROUP_MOUNT "/sys/fs/cgroup"

struct job {
    struct job *next;
    char *runtime_class;  /* "": crun */
    char *namespace_name; /* NULL: a CNI lease */
    char *id;
};

/* One clean-up at a time: crun, crun, …, cni, …, then cgroups and directories. */
struct node_recover {
    struct loop *loop;
    const struct node_config *config;
    struct oci_runtime runtime;
    struct cni cni;
    struct job *jobs;
    const char *runtime_class; /* whose directory is being read */
    struct json_t *alive;      /* uid → namespace/name of pods that live */
    loop_f *done;
    void *user;
};

static void find_alive(struct node_recover *r, const struct object_store *store)
{
    struct json_t **pods = NULL;
    size_t count = object_store_list(store, OBJECT_POD, NULL, &pods);

    r->alive = json_new_object();
    for (size_t i = 0; i < count; i++) {
        const struct json_t *meta = json_get(pods[i], "metadata");
        char *key = NULL;

        if (!container_run_find_process(r->config, pods[i]))
            continue;
        key = mem_format("%s/%s", json_get_text(meta, "namespace", ""),
                         json_get_text(meta, "name", ""));
        json_set_text(r->alive, json_get_text(meta, "uid", ""), key);
        free(key);
    }
    free(pods);
}

static bool is_alive_container(const struct node_recover *r, const char *namespace_name,
                               const char *id)
{
    const char *uid = NULL;
    struct json_t *key = NULL;
    void *it = NULL;
    char wanted[600];

    snprintf(wanted, sizeof wanted, "%s/%s", namespace_name, id);
    while ((it = json_next(r->alive, it, &uid, &key)))
        if (strcmp(json_text(key), wanted) == 0)
            return true;
    return false;
}

static void add_job(struct node_recover *r, const char *runtime_class, const char *namespace_name,
                    const char *id)
{
    struct job *j = mem_alloc(sizeof *j);

    *j = (struct job){.next = r->jobs,
                      .runtime_class = mem_text(runtime_class),
                      .namespace_name = mem_text(namespace_name),
                      .id = mem_text(id)};
    r->jobs = j;
}

/* directory/name; what does not fit cannot be ours, and becomes a path that does not exist. */
static void join(char out[PATH_MAX], const char *directory, const char *name)
{
    if ((size_t)snprintf(out, PATH_MAX, "%s/%s", directory, name) >= PATH_MAX)
        *out = '\0';
}

typedef void entry_f(struct node_recover *r, const char *directory, const char *name);

static void each_entry(struct node_recover *r, const char *directory, entry_f *fn)
{
    DIR *d = opendir(directory);

    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.')
            fn(r, directory, e->d_name);
    if (d)
        closedir(d);
}

static void look_at_container(struct node_recover *r, const char *directory, const char *name)
{
    const char *namespace_name = strrchr(directory, '/') + 1;

    if (!is_alive_container(r, namespace_name, name))
        add_job(r, r->runtime_class, namespace_name, name);
}

static void look_at_namespace(struct node_recover *r, const char *directory, const char *name)
{
    char path[PATH_MAX];

    join(path, directory, name);
    each_entry(r, path, look_at_container);
}

static void look_at_runtime(struct node_recover *r, const char *directory, const char *name)
{
    char path[PATH_MAX];

    join(path, directory, name);
    r->runtime_class = name;
    each_entry(r, path, look_at_namespace);
    r->runtime_class = "";
}

/* A lease is a file named by the address that holds the container's id, here the pod's uid, in its
 * first line. */
static void look_at_lease(struct node_recover *r, const char *directory, const char *name)
{
    char path[PATH_MAX];
    char *text = NULL;

    join(path, directory, name);
    text = name[0] >= '0' && name[0] <= '9' ? object_files_get_text(path, 1000) : NULL;
    if (text) {
        text[strcspn(text, "\r\n")] = '\0';
        if (!json_get(r->alive, text))
            add_job(r, "", NULL, text);
    }
    free(text);
}

static void remove_cgroup(const char *name, void *user)
{
    struct node_recover *r = user;
    char path[PATH_MAX];

    if (json_get(r->alive, name))
        return;
    join(path, r->config->cgroup_root, name);
    for (int tries = 0; tries < 20 && !cgroup_remove(CGROUP_MOUNT, path); tries++) {
        cgroup_kill(CGROUP_MOUNT, path);
        usleep(10000); /* before the API listens: nobody waits but the start */
    }
}

static void remove_directory(struct node_recover *r, const char *directory, const char *name)
{
    char path[PATH_MAX];

    join(path, directory, name);
    if (!json_get(r->alive, name) && !pod_files_remove(path))
        LOG(LOG_ERROR, "directory_not_removed", KV("dir", (const char *)path));
}

static void finish(struct node_recover *r)
{
    char path[PATH_MAX];
    loop_f *done = r->done;
    void *user = r->user;

    cgroup_children(CGROUP_MOUNT, r->config->cgroup_root, remove_cgroup, r);
    snprintf(path, sizeof path, "%s/run", r->config->data_dir);
    each_entry(r, path, remove_directory);
    json_free(r->alive);
    free(r);
    done(user);
}

static void next_job(void *user);

static void on_job_done(const struct err *err, void *user)
{
    struct node_recover *r = user;
    struct job *j = r->jobs;
    char path[PATH_MAX], root[PATH_MAX];

    LOG(err ? LOG_WARN : LOG_INFO,
        j->namespace_name ? "stray_container_removed" : "stray_lease_removed",
        KV("id", (const char *)j->id), KV("error", err ? err->msg : ""));
    if (err &&
        j->namespace_name) { /* a state that nobody can read: its directory is all there is */
        snprintf(root, sizeof root, "%.2000s/%s%.63s/%.63s", r->config->data_dir,
                 *j->runtime_class ? "runtimes/" : "crun", j->runtime_class, j->namespace_name);
        join(path, root, j->id);
        pod_files_remove(path);
    }
    r->jobs = j->next;
    free(j->runtime_class);
    free(j->namespace_name);
    free(j->id);
    free(j);
    next_job(r);
}

static void next_job(void *user)
{
    struct node_recover *r = user;
    struct job *j = r->jobs;
    struct err err = {.code = ERR_NONE};
    int rc = 0;

    if (!j) {
        finish(r);
        return;
    }
    if (j->namespace_name)
        rc = oci_runtime_delete(
            &r->runtime, &(struct oci_runtime_id){j->runtime_class, j->namespace_name, j->id},
            on_job_done, r, &err);
    else
        rc = cni_remove(&r->cni, j->id, "", on_job_done, r, &err);
    if (rc < 0)
        on_job_done(&err, r);
}

void node_recover_start(struct loop *l, const struct node_config *config,
                        const struct object_store *store, loop_f *done, void *user)
{
    struct node_recover *r = mem_alloc(sizeof *r);
    char path[PATH_MAX];

    *r = (struct node_recover){.loop = l,
                               .config = config,
                               .runtime = {.loop = l,
                                           .crun = config->crun,
                                           .runtimes = &config->runtimes,
                                           .data_dir = config->data_dir},
                               .runtime_class = "",
                               .cni = {.loop = l,
                                       .bin_dir = config->cni_bin_dir,
                                       .data_dir = config->data_dir,
                                       .pod_cidr = config->cni_pod_cidr},
                               .done = done,
                               .user = user};
    find_alive(r, store);
    snprintf(path, sizeof path, "%s/cni/spillway", config->data_dir);
    each_entry(r, path, look_at_lease);
    snprintf(path, sizeof path, "%s/crun", config->data_dir);
    each_entry(r, path, look_at_namespace); /* added in front: containers go before leases */
    snprintf(path, sizeof path, "%s/runtimes", config->data_dir);
    each_entry(r, path, look_at_runtime);
    loop_defer(l, next_job, r);
}

void node_recover_leave_nothing(const struct node_config *config)
{
    static const char *const parts[] = {"run", "cni", "crun", "runtimes"};
    char path[PATH_MAX];

    cgroup_remove(CGROUP_MOUNT, config->cgroup_root);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        snprintf(path, sizeof path, "%s/%s", config->data_dir, parts[i]);
        pod_files_remove(path);
    }
}
