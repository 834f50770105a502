#include "clusters/embedded/cni.h"
#include "base/json.h"
#include "base/mem.h"
#include "clusters/embedded/child_process.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLUGIN_MS 15000

struct cni_call {
    cni_added_f *added;
    cni_removed_f *removed;
    void *user;
};

static void explain(const struct child_process_result *r, struct err *err)
{
    struct json_t *answer = json_parse_object(r->output, NULL);
    const char *msg = json_get_text(answer, "msg", NULL);
    char how[300];

    child_process_explain(r, how, sizeof how);
    err_set(err, ERR_SYSTEM, "CNI: %.300s", msg ? msg : how);
    json_free(answer);
}

static void on_added(const struct child_process_result *r, void *user)
{
    struct cni_call *call = user;
    struct json_t *answer = r->exit_status == 0 ? json_parse_object(r->output, NULL) : NULL;
    const char *address = json_get_text(json_item(json_get(answer, "ips"), 0), "address", NULL);
    struct err err = {.code = ERR_NONE};
    char ip[64];

    if (address && strchr(address, '/')) {
        snprintf(ip, sizeof ip, "%.*s", (int)(strchr(address, '/') - address), address);
        call->added(ip, NULL, call->user);
    } else {
        explain(r, &err);
        call->added(NULL, &err, call->user);
    }
    json_free(answer);
    free(call);
}

static void on_removed(const struct child_process_result *r, void *user)
{
    struct cni_call *call = user;
    struct err err = {.code = ERR_NONE};

    if (r->exit_status != 0)
        explain(r, &err);
    call->removed(r->exit_status != 0 ? &err : NULL, call->user);
    free(call);
}

static struct json_t *network(const struct cni *c)
{
    char leases[PATH_MAX];

    snprintf(leases, sizeof leases, "%s/cni", c->data_dir);
    return json_build("{s:s, s:s, s:s, s:b, s:{s:s, s:[[{s:s}]], s:s}}", "cniVersion", "0.4.0",
                      "name", "spillway", "type", "ptp", "ipMasq", 0, "ipam", "type", "host-local",
                      "ranges", "subnet", c->pod_cidr, "dataDir", leases);
}

static int run(const struct cni *c, const char *command, const char *container_id,
               const char *netns, child_process_done_f *done, struct cni_call *call,
               struct err *err)
{
    char plugin[PATH_MAX];
    char *env[6] = {mem_format("CNI_COMMAND=%s", command),
                    mem_format("CNI_CONTAINERID=%s", container_id),
                    mem_format("CNI_NETNS=%s", netns), mem_text("CNI_IFNAME=eth0"),
                    mem_format("CNI_PATH=%s", c->bin_dir)};
    struct json_t *config = network(c);
    struct buf text;
    int rc = 0;

    snprintf(plugin, sizeof plugin, "%s/ptp", c->bin_dir);
    buf_init(&text, 8192);
    json_print(config, &text);
    rc = child_process_run(c->loop,
                           &(struct child_process_spec){.argv = (const char *const[]){plugin, NULL},
                                                        .extra_env = (const char *const *)env,
                                                        .input = buf_slice(&text),
                                                        .output_fd = -1,
                                                        .timeout_ms = PLUGIN_MS},
                           done, call, err);
    buf_fini(&text);
    json_free(config);
    for (size_t i = 0; env[i]; i++)
        free(env[i]);
    if (rc < 0)
        free(call);
    return rc;
}

int cni_add(const struct cni *c, const char *container_id, const char *netns, cni_added_f *done,
            void *user, struct err *err)
{
    struct cni_call *call = mem_alloc(sizeof *call);

    *call = (struct cni_call){.added = done, .user = user};
    return run(c, "ADD", container_id, netns, on_added, call, err);
}

int cni_remove(const struct cni *c, const char *container_id, const char *netns,
               cni_removed_f *done, void *user, struct err *err)
{
    struct cni_call *call = mem_alloc(sizeof *call);

    *call = (struct cni_call){.removed = done, .user = user};
    return run(c, "DEL", container_id, netns, on_removed, call, err);
}
