/* exec_plugin.h - a program that says who we are: the member `exec` of a kubeconfig's user.
 * Source: client.authentication.k8s.io/v1 and v1beta1, ExecCredential; client-go
 * plugin/pkg/client/auth/exec.
 *
 * Blocking:  exec_plugin_run() waits for the program, at most EXEC_PLUGIN_MS. It touches nothing
 * but its arguments, so a thread may run it. Standard error goes where ours goes; there is never a
 * terminal. Ownership: exec_plugin_read() gives; exec_credential_fini() clears and frees what a run
 * brought. */
#pragma once
#include "base/cc.h"
#include "base/err.h"
#include <stdint.h>

#define EXEC_PLUGIN_MS 30000

struct exec_plugin;
struct json_t;

struct exec_credential {
    char *token;       /* NULL-able, like the pair */
    char *certificate; /* PEM */
    char *key;
    int64_t expires_wall_ms; /* 0: never said */
};

/* `exec` and `cluster` are the kubeconfig's members; a command with a slash is relative to the file
 * at config_path. ERR_CONFIG. */
struct exec_plugin *exec_plugin_read(const struct json_t *exec, const struct json_t *cluster,
                                     const char *config_path, struct err *err) CHECK_RESULT;
/* One more owner, on the same thread; each frees. */
struct exec_plugin *exec_plugin_ref(struct exec_plugin *p) CHECK_RESULT;
void exec_plugin_free(struct exec_plugin **p);
int exec_plugin_run(const struct exec_plugin *p, struct exec_credential *out,
                    struct err *err) CHECK_RESULT; /* ERR_CONFIG */
void exec_credential_fini(struct exec_credential *c);
