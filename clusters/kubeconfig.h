/* kubeconfig.h - where a cluster is and how we show who we are: from a kubeconfig file (its current
 * context), or in a pod from its service account.
 *
 * Source: client-go tools/clientcmd, Config v1, and rest.InClusterConfig(). Read: server,
 * proxy-url, certificate-authority[-data], client-certificate[-data], client-key[-data], token,
 * tokenFile, exec. What would change the meaning and is not supported (auth-provider,
 * tls-server-name, …) is refused by name.
 *
 * Ownership: kubeconfig_fini() frees. Inline certificates and keys live in memory files of this
 * process, named by path; they go with it. */
#pragma once
#include "base/cc.h"
#include "base/err.h"
#include <stdbool.h>

struct exec_plugin;

struct kubeconfig {
    char *server;
    char *ca_file; /* the rest NULL when absent */
    char *cert_file;
    char *key_file;
    char *token;
    char *token_file;
    char *proxy_url;      /* http, https or socks5 */
    char *namespace_name; /* of the context, or of the pod */
    struct exec_plugin *exec;
    int memory_files[3]; /* descriptors, -1: none */
};

int kubeconfig_read(const char *path, struct kubeconfig *out,
                    struct err *err) CHECK_RESULT; /* ERR_CONFIG */
/* The file that $KUBECONFIG names, else the service account of the pod that we run in; ERR_CONFIG
 * where there is neither. */
int kubeconfig_find(struct kubeconfig *out, struct err *err) CHECK_RESULT;
bool kubeconfig_is_around(void); /* kubeconfig_find() would have something to read */
void kubeconfig_fini(struct kubeconfig *c);
