#include "clusters/kube_transport.h"
#include "base/mem.h"
#include "clusters/kubeconfig.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOKEN_FRESH_MS  60000
#define TOKEN_BYTES_MAX 16384
#define URL_BYTES_MAX   16384 /* continue tokens are opaque and long */

struct kube_transport {
    struct loop *loop;
    struct http_caller *caller;
    struct kubeconfig conf;
    char *authorization;    /* "Authorization: Bearer …", NULL: none */
    int64_t token_until_ms; /* of the token file */
};

static bool is_header_text(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text <= ' ' || (unsigned char)*text == 0x7f)
            return false;
    return true;
}

static int set_token(struct kube_transport *t, const char *token, struct err *err)
{
    if (token[0] == '\0' || !is_header_text(token))
        return err_set(err, ERR_CONFIG, "the token is empty or has characters that no token has");
    free(t->authorization);
    t->authorization = mem_format("Authorization: Bearer %s", token);
    return 0;
}

static ssize_t read_small_file(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return -1;
    do
        n = read(fd, out, size);
    while (n < 0 && errno == EINTR);
    int sys = errno;
    close(fd);
    errno = sys;
    return n;
}

static int read_token_file(struct kube_transport *t, struct err *err)
{
    char text[TOKEN_BYTES_MAX];
    ssize_t n = read_small_file(t->conf.token_file, text, sizeof(text) - 1);

    if (n < 0)
        return err_set_errno(err, ERR_CONFIG, errno, "token file %s", t->conf.token_file);
    while (n > 0 && strchr(" \t\r\n", text[n - 1]))
        n--;
    text[n] = '\0';
    if (set_token(t, text, err) < 0)
        return err_wrap(err, "token file %s", t->conf.token_file);
    t->token_until_ms = world_now_ms(loop_world(t->loop)) + TOKEN_FRESH_MS;
    return 0;
}

/* Files are replaced under us (service account tokens each hour): a moment without one must not
 * cost the calls that the old token still serves. */
static int refresh_token(struct kube_transport *t, struct err *err)
{
    if (!t->conf.token_file || world_now_ms(loop_world(t->loop)) < t->token_until_ms)
        return 0;
    int rc = read_token_file(t, err);
    return t->authorization ? 0 : rc;
}

static int configure(struct kube_transport *t, const char *url, const char *kubeconfig,
                     struct err *err)
{
    if (url) {
        if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
            return err_set(err, ERR_CONFIG, "\"%s\" is no http(s) URL of a Kubernetes API", url);
        t->conf.server = mem_text(url);
    } else if (kubeconfig) {
        int rc = kubeconfig_read(kubeconfig, &t->conf, err);
        if (rc < 0)
            return rc;
    } else {
        return err_set(err, ERR_CONFIG, "neither a URL of the Kubernetes API nor a kubeconfig");
    }
    size_t len = strlen(t->conf.server);
    while (len > 0 && t->conf.server[len - 1] == '/')
        t->conf.server[--len] = '\0';
    if (t->conf.token_file)
        return read_token_file(t, err);
    return t->conf.token ? set_token(t, t->conf.token, err) : 0;
}

struct kube_transport *kube_transport_new(struct loop *l, struct http_caller *h, const char *url,
                                          const char *kubeconfig, struct err *err)
{
    struct kube_transport *t = mem_alloc(sizeof(*t));

    t->loop = l;
    t->caller = h;
    t->conf = (struct kubeconfig){.memory_files = {-1, -1, -1}};
    if (configure(t, url, kubeconfig, err) < 0)
        kube_transport_free(&t);
    return t;
}

void kube_transport_free(struct kube_transport **at)
{
    struct kube_transport *t = *at;

    *at = NULL;
    if (!t)
        return;
    kubeconfig_fini(&t->conf);
    free(t->authorization);
    free(t);
}

void kube_transport_distrust_token(struct kube_transport *t)
{
    t->token_until_ms = 0;
}

void kube_transport_escape(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     strchr("-._~", c);
        if (plain)
            buf_add(out, text, 1);
        else
            buf_addf(out, "%%%02X", c);
    }
}

int kube_transport_start(struct kube_transport *t, const struct kube_transport_request *req,
                         http_call_done_f *done, void *user, struct http_call **out,
                         struct err *err)
{
    char *content_type CLEANUP(mem_free_text) = NULL;
    const char *headers[4] = {"Accept: application/json", "User-Agent: spillway/" SPILLWAY_VERSION};
    unsigned count = 2;
    struct http_call_request call = {
        .method = req->method,
        .body = req->body,
        .tls = {t->conf.ca_file, t->conf.cert_file, t->conf.key_file},
        .total_ms = req->total_ms,
        .idle_ms = req->idle_ms,
        .reply_max = req->reply_max,
        .on_data = req->on_data,
    };
    int rc = refresh_token(t, err);

    if (rc < 0)
        return rc;
    if (strlen(t->conf.server) + strlen(req->path) > URL_BYTES_MAX)
        return err_set(err, ERR_INVALID_ARGUMENT, "a URL above %d bytes", URL_BYTES_MAX);
    char *url CLEANUP(mem_free_text) = mem_format("%s%s", t->conf.server, req->path);
    if (t->authorization)
        headers[count++] = t->authorization;
    if (req->content_type) {
        content_type = mem_format("Content-Type: %s", req->content_type);
        headers[count++] = content_type;
    }
    call.url = url;
    call.headers = headers;
    call.header_count = count;
    return http_call_start(t->caller, &call, done, user, out, err);
}
