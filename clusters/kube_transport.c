#include "clusters/kube_transport.h"
#include "base/mem.h"
#include "clusters/kube_credentials.h"
#include "clusters/kubeconfig.h"
#include <stdlib.h>
#include <string.h>

#define URL_BYTES_MAX 16384 /* continue tokens are opaque and long */

struct kube_transport {
    struct loop *loop;
    struct http_caller *caller;
    struct kubeconfig conf;
    struct kube_credentials *credentials;
};

static int configure(struct kube_transport *t, const char *url, const char *kubeconfig,
                     struct err *err)
{
    if (url) {
        if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
            return err_set(err, ERR_CONFIG, "\"%s\" is no http(s) URL of a Kubernetes API", url);
        t->conf.server = mem_text(url);
    } else {
        int rc = kubeconfig ? kubeconfig_read(kubeconfig, &t->conf, err)
                            : kubeconfig_find(&t->conf, err);
        if (rc < 0)
            return rc;
    }
    size_t len = strlen(t->conf.server);
    while (len > 0 && t->conf.server[len - 1] == '/')
        t->conf.server[--len] = '\0';
    t->credentials = kube_credentials_new(t->loop, &t->conf, err);
    return t->credentials ? 0 : -ERR_CONFIG;
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
    kube_credentials_free(&t->credentials);
    kubeconfig_fini(&t->conf);
    free(t);
}

void kube_transport_distrust_token(struct kube_transport *t)
{
    kube_credentials_distrust(t->credentials);
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
        .tls = {t->conf.ca_file, kube_credentials_cert_file(t->credentials),
                kube_credentials_key_file(t->credentials)},
        .proxy_url = t->conf.proxy_url,
        .total_ms = req->total_ms,
        .idle_ms = req->idle_ms,
        .reply_max = req->reply_max,
        .on_data = req->on_data,
    };
    int rc = kube_credentials_refresh(t->credentials, err);

    if (rc < 0)
        return rc;
    if (strlen(t->conf.server) + strlen(req->path) > URL_BYTES_MAX)
        return err_set(err, ERR_INVALID_ARGUMENT, "a URL above %d bytes", URL_BYTES_MAX);
    char *url CLEANUP(mem_free_text) = mem_format("%s%s", t->conf.server, req->path);
    if (kube_credentials_header(t->credentials))
        headers[count++] = kube_credentials_header(t->credentials);
    if (req->content_type) {
        content_type = mem_format("Content-Type: %s", req->content_type);
        headers[count++] = content_type;
    }
    call.url = url;
    call.headers = headers;
    call.header_count = count;
    return http_call_start(t->caller, &call, done, user, out, err);
}
