#include "clusters/embedded/firewall.h"
#include "base/mem.h"
#include "clusters/embedded/child_process.h"
#include <stdlib.h>

#define NFT_MS 10000

/* The first line makes the delete succeed whether or not the table is there; all of it is one
 * transaction. */
static const char install_rules[] = "table inet spillway_node {}\n"
                                    "delete table inet spillway_node\n"
                                    "table inet spillway_node {\n"
                                    "  chain input {\n"
                                    "    type filter hook input priority 0; policy accept;\n"
                                    "    iifname \"veth*\" ct state established,related accept\n"
                                    "    iifname \"veth*\" drop\n"
                                    "  }\n"
                                    "  chain forward {\n"
                                    "    type filter hook forward priority 0; policy accept;\n"
                                    "    iifname \"veth*\" drop\n"
                                    "    oifname \"veth*\" drop\n"
                                    "  }\n"
                                    "}\n";
static const char remove_rules[] = "table inet spillway_node {}\n"
                                   "delete table inet spillway_node\n";

struct firewall_call {
    firewall_done_f *done;
    void *user;
};

static void on_done(const struct child_process_result *r, void *user)
{
    struct firewall_call *call = user;
    struct err err = {.code = ERR_NONE};
    char how[300];

    if (r->exit_status != 0) {
        child_process_explain(r, how, sizeof how);
        err_set(&err, ERR_SYSTEM, "nft: %s", how);
    }
    call->done(r->exit_status != 0 ? &err : NULL, call->user);
    free(call);
}

static int run(struct loop *l, const char *nft, const char *rules, firewall_done_f *done,
               void *user, struct err *err)
{
    struct firewall_call *call = mem_alloc(sizeof *call);
    int rc = 0;

    *call = (struct firewall_call){done, user};
    rc = child_process_run(
        l,
        &(struct child_process_spec){.argv = (const char *const[]){nft, "-f", "-", NULL},
                                     .input = slice_of(rules),
                                     .output_fd = -1,
                                     .timeout_ms = NFT_MS},
        on_done, call, err);
    if (rc < 0)
        free(call);
    return rc;
}

int firewall_install(struct loop *l, const char *nft, firewall_done_f *done, void *user,
                     struct err *err)
{
    return run(l, nft, install_rules, done, user, err);
}

int firewall_remove(struct loop *l, const char *nft, firewall_done_f *done, void *user,
                    struct err *err)
{
    return run(l, nft, remove_rules, done, user, err);
}
