#include "clusters/embedded/pod_surroundings.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "clusters/embedded/netns.h"
#include "clusters/embedded/oci_spec.h"
#include "clusters/embedded/pod_files.h"
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

struct pod_surroundings {
    struct pod_surroundings_args args;
    const char *uid;
    char *netns;
    bool plugged; /* CNI may have given something */
    bool good;    /* how the work on the thread went */
    struct err err;
    uv_work_t work;
};

struct pod_surroundings *pod_surroundings_new(const struct pod_surroundings_args *args)
{
    struct pod_surroundings *s = mem_alloc(sizeof *s);

    s->args = *args;
    s->uid = json_get_text(json_get(args->pod, "metadata"), "uid", "");
    s->netns = mem_format("%s/netns", args->dir);
    return s;
}

void pod_surroundings_free(struct pod_surroundings **s)
{
    if (!*s)
        return;
    free((*s)->netns);
    free(*s);
    *s = NULL;
}

static void log_failure(const struct pod_surroundings *s, const char *event, const char *what)
{
    LOG(LOG_ERROR, event, KV("pod", json_get_text(json_get(s->args.pod, "metadata"), "name", "")),
        KV("error", what));
}

/* -- making -- */

static void on_plugged(const char *ip, const struct err *err, void *user)
{
    struct pod_surroundings *s = user;
    struct err own = {.code = ERR_NONE};
    char hostname[64];

    oci_spec_hostname(s->args.pod, hostname);
    if (!err && pod_files_write_hosts(s->args.dir, hostname, ip, &own) < 0)
        err = &own;
    s->args.made(err ? NULL : ip, err, s->args.user);
}

static void make_in_thread(uv_work_t *work)
{
    struct pod_surroundings *s = container_of(work, struct pod_surroundings, work);

    s->good = pod_files_prepare(s->args.dir, s->args.pod, s->args.log_bytes, &s->err) == 0 &&
              netns_make(s->netns, &s->err) == 0;
}

static void on_made(uv_work_t *work, int status)
{
    struct pod_surroundings *s = container_of(work, struct pod_surroundings, work);

    INVARIANT(status == 0); /* nobody cancels it */
    if (s->good) {
        s->plugged = true;
        s->good = cni_add(s->args.cni, s->uid, s->netns, on_plugged, s, &s->err) == 0;
    }
    if (!s->good)
        s->args.made(NULL, &s->err, s->args.user);
}

void pod_surroundings_make(struct pod_surroundings *s)
{
    INVARIANT(uv_queue_work(loop_uv(s->args.loop), &s->work, make_in_thread, on_made) == 0);
}

void pod_surroundings_adopt(struct pod_surroundings *s)
{
    s->plugged = true;
}

/* -- unmaking: first the network, whose plugin needs the namespace, then the files -- */

static void clear_in_thread(uv_work_t *work)
{
    struct pod_surroundings *s = container_of(work, struct pod_surroundings, work);

    s->good = pod_files_remove(s->args.dir);
}

static void on_cleared(uv_work_t *work, int status)
{
    struct pod_surroundings *s = container_of(work, struct pod_surroundings, work);

    INVARIANT(status == 0);
    if (!s->good)
        log_failure(s, "pod_directory_not_removed", s->args.dir);
    s->args.unmade(s->args.user);
}

static void clear(struct pod_surroundings *s)
{
    INVARIANT(uv_queue_work(loop_uv(s->args.loop), &s->work, clear_in_thread, on_cleared) == 0);
}

static void on_unplugged(const struct err *err, void *user)
{
    struct pod_surroundings *s = user;

    if (err)
        log_failure(s, "network_not_removed", err->msg);
    clear(s);
}

void pod_surroundings_unmake(struct pod_surroundings *s)
{
    struct err err = {.code = ERR_NONE};
    const char *netns = access(s->netns, F_OK) == 0 ? s->netns : "";

    if (!s->plugged)
        clear(s);
    else if (cni_remove(s->args.cni, s->uid, netns, on_unplugged, s, &err) < 0)
        on_unplugged(&err, s);
}
