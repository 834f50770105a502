#include "clusters/kubeconfig.h"
#include "base/base64.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "clusters/exec_plugin.h"
#include "clusters/memory_file.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DATA_BYTES_MAX ((size_t)1024 * 1024)
#define ACCOUNT_FOLDER "/var/run/secrets/kubernetes.io/serviceaccount"
#define NAME_BYTES_MAX 63

/* Each would change where we connect or who we are, so none of them may be passed over in silence.
 */
static const char *const CLUSTER_REFUSED[] = {"insecure-skip-tls-verify", "tls-server-name"};
static const char *const USER_REFUSED[] = {"auth-provider", "username",  "password",     "as",
                                           "as-uid",        "as-groups", "as-user-extra"};

static bool is_set(const struct json_t *value)
{
    if (!value || json_is_null(value) || (json_is_bool(value) && !json_true(value)))
        return false;
    return !json_is_string(value) || json_text_len(value) > 0;
}

static int refuse(const struct json_t *map, const char *const *keys, size_t count, const char *what,
                  struct err *err)
{
    for (size_t i = 0; i < count; i++)
        if (is_set(json_get(map, keys[i])))
            return err_set(err, ERR_CONFIG, "%s: \"%s\" is not supported", what, keys[i]);
    return 0;
}

/* clusters: [{name, cluster: {…}}] and its like. */
static struct json_t *named(const struct json_t *root, const char *list, const char *inner,
                            const char *name)
{
    struct json_t *items = json_get(root, list);

    for (size_t i = 0; i < json_count(items); i++) {
        struct json_t *item = json_item(items, i);
        if (strcmp(json_get_text(item, "name", ""), name) == 0)
            return json_get(item, inner);
    }
    return NULL;
}

/* A relative path is one beside the file that names it. */
static char *beside(const char *config_path, const char *path)
{
    const char *slash = strrchr(config_path, '/');

    if (path[0] == '/' || !slash)
        return mem_text(path);
    return mem_format("%.*s/%s", (int)(slash - config_path), config_path, path);
}

/* -- inline data -- */

/* libcurl wants a file's name. A memory file has one for this process and none for any other place:
 * nothing to clean up. */
static int keep_in_memory(const char *key, const char *text, int *fd, char **path, struct err *err)
{
    size_t size = strlen(text);
    size_t len;

    if (size > DATA_BYTES_MAX)
        return err_set(err, ERR_CONFIG, "\"%s\" is larger than %zu bytes", key, DATA_BYTES_MAX);
    unsigned char *bytes = mem_alloc(size + 1);
    if (!base64_decode((struct slice){text, size}, BASE64_FOLDED, bytes, &len) || len == 0) {
        free(bytes);
        return err_set(err, ERR_CONFIG, "\"%s\" is not base64", key);
    }
    int rc = memory_file_make(key, bytes, len, fd, path, err);
    explicit_bzero(bytes, len);
    free(bytes);
    return rc;
}

/* `key` names a file, `key`-data has it inline and wins, as in client-go. */
static int read_pem(const struct json_t *map, const char *key, const char *config_path, int *fd,
                    char **path, struct err *err)
{
    char *data_key CLEANUP(mem_free_text) = mem_format("%s-data", key);
    const char *data = json_get_text(map, data_key, "");
    const char *file = json_get_text(map, key, "");

    if (data[0] != '\0')
        return keep_in_memory(data_key, data, fd, path, err);
    if (file[0] == '\0')
        return 0;
    *path = beside(config_path, file);
    if (access(*path, R_OK) != 0)
        return err_set_errno(err, ERR_CONFIG, errno, "%s %s", key, *path);
    return 0;
}

/* -- the file -- */

static int read_proxy(const struct json_t *cluster, struct kubeconfig *out, struct err *err)
{
    static const char *const SCHEMES[] = {"http://", "https://", "socks5://"};
    const char *url = json_get_text(cluster, "proxy-url", "");

    if (url[0] == '\0')
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(SCHEMES); i++)
        if (strncmp(url, SCHEMES[i], strlen(SCHEMES[i])) == 0) {
            out->proxy_url = mem_text(url);
            return 0;
        }
    return err_set(err, ERR_CONFIG,
                   "the cluster's \"proxy-url\" is neither http, https nor socks5");
}

static int read_cluster(const struct json_t *cluster, const char *path, struct kubeconfig *out,
                        struct err *err)
{
    const char *server = json_get_text(cluster, "server", "");

    if (strncmp(server, "https://", 8) != 0 && strncmp(server, "http://", 7) != 0)
        return err_set(err, ERR_CONFIG, "the cluster's \"server\" is no http(s) URL");
    out->server = mem_text(server);
    if (refuse(cluster, CLUSTER_REFUSED, ARRAY_LEN(CLUSTER_REFUSED), "cluster", err) < 0)
        return -ERR_CONFIG;
    if (read_proxy(cluster, out, err) < 0)
        return -ERR_CONFIG;
    return read_pem(cluster, "certificate-authority", path, &out->memory_files[0], &out->ca_file,
                    err);
}

static int read_user(const struct json_t *user, const struct json_t *cluster, const char *path,
                     struct kubeconfig *out, struct err *err)
{
    const struct json_t *exec = json_get(user, "exec");
    const char *token = json_get_text(user, "token", "");
    const char *token_file = json_get_text(user, "tokenFile", "");

    if (refuse(user, USER_REFUSED, ARRAY_LEN(USER_REFUSED), "user", err) < 0)
        return -ERR_CONFIG;
    if (token_file[0] != '\0')
        out->token_file = beside(path, token_file);
    else if (token[0] != '\0')
        out->token = mem_text(token);
    int rc =
        read_pem(user, "client-certificate", path, &out->memory_files[1], &out->cert_file, err);
    if (rc == 0)
        rc = read_pem(user, "client-key", path, &out->memory_files[2], &out->key_file, err);
    if (rc == 0 && !out->cert_file != !out->key_file)
        return err_set(err, ERR_CONFIG, "user: client-certificate and client-key go together");
    if (rc == 0 && is_set(exec)) {
        if (out->token || out->token_file || out->cert_file)
            return err_set(err, ERR_CONFIG, "user: \"exec\" besides a token or certificate");
        out->exec = exec_plugin_read(exec, cluster, path, err);
        return out->exec ? 0 : -ERR_CONFIG;
    }
    return rc;
}

static int read_root(const struct json_t *root, const char *path, struct kubeconfig *out,
                     struct err *err)
{
    const char *current = json_get_text(root, "current-context", "");
    struct json_t *context = named(root, "contexts", "context", current);

    if (!context)
        return err_set(err, ERR_CONFIG, "there is no context \"%s\" (current-context)", current);
    const char *cluster_name = json_get_text(context, "cluster", "");
    const char *user_name = json_get_text(context, "user", "");
    struct json_t *cluster = named(root, "clusters", "cluster", cluster_name);
    struct json_t *user = named(root, "users", "user", user_name);
    if (!cluster)
        return err_set(err, ERR_CONFIG, "there is no cluster \"%s\"", cluster_name);
    if (!user && user_name[0] != '\0')
        return err_set(err, ERR_CONFIG, "there is no user \"%s\"", user_name);
    if (json_get_text(context, "namespace", "")[0] != '\0')
        out->namespace_name = mem_text(json_get_text(context, "namespace", ""));
    int rc = read_cluster(cluster, path, out, err);
    return rc < 0 ? rc : read_user(user, cluster, path, out, err);
}

int kubeconfig_read(const char *path, struct kubeconfig *out, struct err *err)
{
    struct json_t *root = yaml_read_file(path, err);

    *out = (struct kubeconfig){.memory_files = {-1, -1, -1}};
    if (!root)
        return err ? -(int)err->code : -ERR_CONFIG;
    int rc = read_root(root, path, out, err);
    json_free(root);
    if (rc < 0) {
        kubeconfig_fini(out);
        return err_wrap(err, "%s", path);
    }
    return 0;
}

/* -- in a pod -- */

static char *account_namespace(void)
{
    char *text = yaml_load_file(ACCOUNT_FOLDER "/namespace", &(size_t){0}, NULL);

    if (text)
        text[strcspn(text, " \t\r\n")] = '\0';
    if (text && (text[0] == '\0' || strlen(text) > NAME_BYTES_MAX))
        mem_free_text(&text);
    return text;
}

static int read_account(const char *host, const char *port, struct kubeconfig *out, struct err *err)
{
    bool v6 = strchr(host, ':') != NULL;

    *out = (struct kubeconfig){.memory_files = {-1, -1, -1}};
    if (access(ACCOUNT_FOLDER "/token", R_OK) != 0 || access(ACCOUNT_FOLDER "/ca.crt", R_OK) != 0)
        return err_set_errno(err, ERR_CONFIG, errno, "no service account in %s", ACCOUNT_FOLDER);
    out->server = mem_format(v6 ? "https://[%s]:%s" : "https://%s:%s", host, port);
    out->ca_file = mem_text(ACCOUNT_FOLDER "/ca.crt");
    out->token_file = mem_text(ACCOUNT_FOLDER "/token");
    out->namespace_name = account_namespace();
    return 0;
}

static const char *variable(const char *name)
{
    const char *value = getenv(name);

    return value && value[0] != '\0' ? value : NULL;
}

bool kubeconfig_is_around(void)
{
    return variable("KUBECONFIG") || variable("KUBERNETES_SERVICE_HOST");
}

int kubeconfig_find(struct kubeconfig *out, struct err *err)
{
    const char *path = variable("KUBECONFIG");
    const char *host = variable("KUBERNETES_SERVICE_HOST");
    const char *port = variable("KUBERNETES_SERVICE_PORT");

    if (path) {
        if (strchr(path, ':'))
            return err_set(err, ERR_CONFIG, "KUBECONFIG names several files; name one");
        return kubeconfig_read(path, out, err);
    }
    if (host)
        return read_account(host, port ? port : "443", out, err);
    return err_set(err, ERR_CONFIG,
                   "no Kubernetes API: neither a URL, a kubeconfig, $KUBECONFIG nor a pod's "
                   "service account");
}

void kubeconfig_fini(struct kubeconfig *c)
{
    if (c->token)
        explicit_bzero(c->token, strlen(c->token));
    exec_plugin_free(&c->exec);
    char *const texts[] = {c->server, c->ca_file,    c->cert_file, c->key_file,
                           c->token,  c->token_file, c->proxy_url, c->namespace_name};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        free(texts[i]);
    for (size_t i = 0; i < ARRAY_LEN(c->memory_files); i++)
        if (c->memory_files[i] >= 0)
            close(c->memory_files[i]);
    *c = (struct kubeconfig){.memory_files = {-1, -1, -1}};
}
