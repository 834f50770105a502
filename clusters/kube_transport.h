/* kube_transport.h - raw calls to one API server: its URL, who we are, TLS. What answers mean is
 * kube_client's and kube_watch's.
 *
 * Callbacks: as http_call.h: exactly once, never before the call returned, not at all when the
 * start failed or after http_call_cancel(). Who we are is kube_credentials.h's. */
#pragma once
#include "base/err.h"
#include "http/http_call.h"

struct kube_transport;
struct loop;

struct kube_transport_request {
    const char *method;
    const char *path;         /* with its query, percent-encoded */
    const char *content_type; /* NULL: no body */
    struct slice body;
    int64_t total_ms;
    int64_t idle_ms;
    size_t reply_max;
    void (*on_data)(struct http_call *c, struct slice piece,
                    void *user); /* a stream; NULL: collect */
};

/* url, else kubeconfig (a path), else what kubeconfig_find() finds. */
struct kube_transport *kube_transport_new(struct loop *l, struct http_caller *h, const char *url,
                                          const char *kubeconfig, struct err *err) CHECK_RESULT;
void kube_transport_free(struct kube_transport **t);
int kube_transport_start(struct kube_transport *t, const struct kube_transport_request *req,
                         http_call_done_f *done, void *user, struct http_call **out,
                         struct err *err) CHECK_RESULT;
/* The server did not accept who we are: look for newer credentials. */
void kube_transport_distrust_token(struct kube_transport *t);
/* Appends `text` percent-encoded for a query or path segment (RFC 3986 §2.3). */
void kube_transport_escape(struct buf *out, const char *text);
