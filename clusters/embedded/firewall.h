/* firewall.h - the nft table inet spillway_node in the network namespace that the node runs in:
 * pods may answer, not ask.
 *
 * Every interface called veth* counts as a pod's (CNI's ptp names them so): links for other
 * purposes need other names. Callbacks: exactly once, never before the call returned, not at all
 * when it failed. */
#pragma once
#include "base/err.h"
#include "base/loop.h"

typedef void firewall_done_f(const struct err *err, void *user);

int firewall_install(struct loop *l, const char *nft, firewall_done_f *done, void *user,
                     struct err *err) CHECK_RESULT;
int firewall_remove(struct loop *l, const char *nft, firewall_done_f *done, void *user,
                    struct err *err) CHECK_RESULT;
