/* spillway-node: one machine as a Kubernetes cluster, as far as Spillway needs it. */
#include "base/err.h"
#include "base/log.h"
#include "base/loop.h"
#include "clusters/embedded/api_server.h"
#include "clusters/embedded/exit_watch.h"
#include "clusters/embedded/firewall.h"
#include "clusters/embedded/node.h"
#include "clusters/embedded/node_config.h"
#include "clusters/embedded/node_recover.h"
#include "clusters/embedded/object_store.h"
#include "clusters/embedded/private_mounts.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct program {
    struct node_config config;
    struct loop *loop;
    struct object_store *store;
    struct node *node;
    struct api_server *api;
    int exit_status;
    bool stopping;
};

static void fail(struct program *p, const struct err *err)
{
    LOG(LOG_ERROR, "node_failed", KV("error", (const char *)err->msg));
    p->exit_status = 1;
    loop_stop(p->loop);
}

/* -- going down -- */

static void stop_loop(void *user)
{
    loop_stop(((struct program *)user)->loop);
}

static void on_firewall_removed(const struct err *err, void *user)
{
    if (err)
        LOG(LOG_WARN, "firewall_not_removed", KV("error", (const char *)err->msg));
    stop_loop(user);
}

static void on_pods_removed(void *user)
{
    struct program *p = user;
    struct err err = {.code = ERR_NONE};

    node_recover_leave_nothing(&p->config);
    if (!p->config.network_firewall)
        stop_loop(p);
    else if (firewall_remove(p->loop, p->config.nft, on_firewall_removed, p, &err) < 0)
        on_firewall_removed(&err, p);
}

/* A second signal does not wait. */
static void on_terminate(void *user)
{
    struct program *p = user;

    if (p->stopping || !p->config.exit_remove_pods || !p->api) {
        loop_stop(p->loop);
        return;
    }
    p->stopping = true;
    LOG(LOG_INFO, "node_stopping");
    node_remove_all_pods(p->node, on_pods_removed, p);
}

/* -- coming up: firewall, then what is left of an earlier run, then the API -- */

static void on_changed(void *user)
{
    struct program *p = user;

    if (p->node)
        node_changed(p->node);
    if (p->api)
        api_server_wake(p->api);
}

static void on_recovered(void *user)
{
    struct program *p = user;
    struct err err = {.code = ERR_NONE};

    if (node_make_objects(p->node, &err) < 0) {
        fail(p, &err);
        return;
    }
    node_resume_pods(p->node);
    p->api = api_server_new(p->node);
    if (api_server_listen(p->api, &err) < 0)
        fail(p, &err);
    else
        LOG(LOG_INFO, "node_ready", KV("name", p->config.name),
            KV("pods", (int64_t)object_store_count(p->store, OBJECT_POD)));
}

static void on_firewall(const struct err *err, void *user)
{
    struct program *p = user;

    if (err)
        fail(p, err); /* pods without it could reach the node: better none */
    else
        node_recover_start(p->loop, &p->config, p->store, on_recovered, p);
}

static void begin(void *user)
{
    struct program *p = user;
    struct err err = {.code = ERR_NONE};

    if (!p->config.network_firewall)
        on_firewall(NULL, p);
    else if (firewall_install(p->loop, p->config.nft, on_firewall, p, &err) < 0)
        fail(p, &err);
}

/* -- before the loop -- */

static int make_directories(const char *data_dir, struct err *err)
{
    static const char *const parts[] = {"", "/objects", "/run", "/cni", "/crun", "/runtimes"};
    char path[PATH_MAX];

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        snprintf(path, sizeof path, "%s%s", data_dir, parts[i]);
        if (mkdir(path, 0711) < 0 && errno != EEXIST)
            return err_set_errno(err, ERR_SYSTEM, errno, "%s", path);
    }
    return 0;
}

/* Two nodes on one directory would take each other's pods for strays. The lock goes with the
 * process; containers must not inherit it. */
static int lock_data_dir(const char *data_dir, struct err *err)
{
    char path[PATH_MAX];
    int fd = -1;

    snprintf(path, sizeof path, "%s/lock", data_dir);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
        return err_set_errno(err, ERR_SYSTEM, errno, "%s: another node uses this directory", path);
    return 0;
}

static int prepare(struct program *p, struct err *err)
{
    int rc = private_mounts_enter(err);

    if (rc == 0)
        rc = exit_watch_reap_orphans(err);
    if (rc == 0)
        rc = make_directories(p->config.data_dir, err);
    if (rc == 0)
        rc = lock_data_dir(p->config.data_dir, err);
    return rc;
}

static int open_store(struct program *p, struct err *err)
{
    char path[PATH_MAX];
    unsigned bad = 0;
    int rc = 0;

    snprintf(path, sizeof path, "%s/objects", p->config.data_dir);
    p->store = object_store_new(path, world_wall_ms(loop_world(p->loop)), on_changed, p);
    rc = object_store_load(p->store, &bad, err);
    if (bad)
        LOG(LOG_WARN, "objects_unreadable", KV("count", (int64_t)bad));
    return rc;
}

static void run(struct program *p)
{
    p->node = node_new(p->loop, &p->config, p->store);
    loop_on_signal(p->loop, SIGTERM, on_terminate, p);
    loop_on_signal(p->loop, SIGINT, on_terminate, p);
    loop_defer(p->loop, begin, p);
    loop_run(p->loop);
    /* Commands and threads under way would call back into what is freed here. They end by
     * themselves, what they leave is the next start's (node_recover), and the memory goes with the
     * process. */
    if (!p->api || node_busy(p->node))
        _exit(p->exit_status);
    api_server_free(&p->api);
    node_free(&p->node);
}

int main(int argc, char **argv)
{
    struct program p = {.exit_status = 0};
    struct err err = {.code = ERR_NONE};
    enum log_level level = LOG_INFO;
    struct config *config = node_config_read(argc, argv, &p.config, &err);

    log_set_program("spillway-node");
    umask(022);
    if (config && log_level_from_text(p.config.log_level, &level))
        log_set_level(level);
    if (!config || prepare(&p, &err) < 0) {
        LOG(LOG_ERROR, "node_not_started", KV("error", (const char *)err.msg));
        config_free(&config);
        return 1;
    }
    signal(SIGPIPE, SIG_IGN);
    p.loop = loop_new();
    if (open_store(&p, &err) < 0)
        fail(&p, &err);
    else
        run(&p);
    object_store_free(&p.store);
    loop_free(&p.loop);
    config_free(&config);
    return p.exit_status;
}
