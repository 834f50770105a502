/* kubeconfig.h - where a cluster is and how we show who we are, from a kubeconfig file (its current
 * context). Source: client-go tools/clientcmd, Config v1. Read: server,
 * certificate-authority[-data], client-certificate[-data], client-key[-data], token, tokenFile.
 * What would change the meaning and is not supported (exec, auth-provider, proxy-url, …) is refused
 * by name.
 *
 * Ownership: kubeconfig_fini() frees. Inline certificates and keys live in memory files of this
 * process, named by path; they go with it. */
#pragma once
#include "base/cc.h"
#include "base/err.h"

struct kubeconfig {
    char *server;
    char *ca_file; /* the rest NULL when absent */
    char *cert_file;
    char *key_file;
    char *token;
    char *token_file;
    char *namespace_name; /* of the context */
    int memory_files[3];  /* descriptors, -1: none */
};

int kubeconfig_read(const char *path, struct kubeconfig *out,
                    struct err *err) CHECK_RESULT; /* ERR_CONFIG */
void kubeconfig_fini(struct kubeconfig *c);
