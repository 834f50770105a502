#include "clusters/kube_client.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/world.h"
#include "clusters/kube_clock.h"
#include "clusters/kube_transport.h"
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define CALL_MS_DEFAULT 10000
#define OBJECT_MAX      ((size_t)4 * 1024 * 1024)
#define SEND_MAX        ((size_t)1024 * 1024)

struct kube_call {
    struct kube_call *prev, *next;
    struct kube_client *client;
    struct http_call *http; /* NULL: it could not be started, the timer will say so */
    struct timer *timer;
    struct err failure; /* why it could not be started */
    bool changes;       /* not a GET: an answer that is missing matters */
    kube_done_f *done;
    void *user;
};

struct kube_client {
    struct world *world;
    struct kube_transport *transport;
    struct kube_call *calls;
    char *namespace_name;
    int64_t call_ms;
    struct kube_counts counts;
    struct kube_clock clock;
};

struct kube_client *kube_client_new(struct loop *l, struct http_caller *h,
                                    const struct kube_client_conf *conf, struct err *err)
{
    struct kube_transport *t = kube_transport_new(l, h, conf->url, conf->kubeconfig, err);

    if (!t)
        return NULL;
    struct kube_client *k = mem_alloc(sizeof(*k));
    k->world = loop_world(l);
    k->transport = t;
    k->namespace_name = mem_text(conf->namespace_name ? conf->namespace_name : "default");
    k->call_ms = conf->call_ms > 0 ? conf->call_ms : CALL_MS_DEFAULT;
    return k;
}

void kube_client_free(struct kube_client **at)
{
    struct kube_client *k = *at;

    *at = NULL;
    if (!k)
        return;
    while (k->calls) {
        struct kube_call *c = k->calls;
        kube_call_cancel(&c);
    }
    kube_transport_free(&k->transport);
    free(k->namespace_name);
    free(k);
}

const char *kube_client_namespace(const struct kube_client *k)
{
    return k->namespace_name;
}

const struct kube_counts *kube_client_counts(const struct kube_client *k)
{
    return &k->counts;
}

void kube_client_hear(struct kube_client *k, const struct http_call_result *r)
{
    kube_clock_hear(&k->clock, r->date_ms, world_now_ms(k->world));
}

const struct kube_clock *kube_client_clock(const struct kube_client *k)
{
    return &k->clock;
}

struct world *kube_client_world(const struct kube_client *k)
{
    return k->world;
}

struct kube_transport *kube_client_transport(const struct kube_client *k)
{
    return k->transport;
}

/* -- what an answer means -- */

static bool is_quota(const char *message)
{
    return strstr(message, "exceeded quota") != NULL;
}

/* Said by admission, which comes before validation. */
static bool is_runtime_class(const char *message)
{
    const char *at = strstr(message, "RuntimeClass ");
    return at && strstr(at, " not found");
}

static enum err_code forbidden_code(const char *message)
{
    if (is_quota(message))
        return ERR_CAPACITY_FULL;
    return is_runtime_class(message) ? ERR_UNKNOWN_RUNTIME_CLASS : ERR_FORBIDDEN;
}

static enum err_code code_of(int status, const char *message)
{
    switch (status) {
    case 400:
    case 422:
        return ERR_INVALID_ARGUMENT;
    case 401:
        return ERR_FORBIDDEN;
    case 403:
        return forbidden_code(message);
    case 404:
        return ERR_NOT_FOUND;
    case 409:
        return ERR_CONFLICT;
    case 410:
        return ERR_GONE;
    case 429:
        return ERR_OVERLOADED;
    default:
        return status >= 500 ? ERR_UNAVAILABLE : ERR_KUBERNETES;
    }
}

/* 429 and 503 are said before anything was done; 500, 502 and 504 may come from behind the change.
 */
static bool may_have_happened(const struct http_call_result *r)
{
    if (r->err)
        return r->err->code != ERR_UNAVAILABLE; /* which means: there was no connection */
    return r->status == 500 || r->status == 502 || r->status == 504;
}

static void judge(struct kube_call *c, const struct http_call_result *http, struct kube_result *out,
                  struct err *err)
{
    const char *message = json_get_text(out->object, "message", "");

    out->status = http->status;
    out->retry_after_s = http->retry_after_s > 0 ? http->retry_after_s : 0;
    out->outcome_unknown = c->changes && may_have_happened(http);
    if (!http->err && http->status >= 200 && http->status < 300) {
        if (out->object)
            return;
        out->outcome_unknown = c->changes;
        err_set(err, ERR_UNAVAILABLE, "the Kubernetes API answered %d without an object",
                http->status);
    } else if (http->err) {
        err_set(err, ERR_UNAVAILABLE, "the Kubernetes API does not answer: %s", http->err->msg);
    } else {
        if (http->status == 401)
            kube_transport_distrust_token(c->client->transport);
        err_set(err, code_of(http->status, message), "the Kubernetes API answered %d: %s",
                http->status, message[0] != '\0' ? message : "(no message)");
    }
    out->err = err;
}

static void count(struct kube_counts *n, const struct kube_result *r)
{
    if (!r->err)
        n->done++;
    else if (r->status >= 400 && r->status < 500)
        n->rejected++;
    else if (r->status > 0)
        n->failed++;
    else
        n->unanswered++;
}

static void end_call(struct kube_call *c)
{
    DL_DELETE(c->client->calls, c);
    timer_free(c->client->world, &c->timer);
    free(c);
}

static void on_answer(struct http_call *http, const struct http_call_result *r, void *user)
{
    struct kube_call *c = user;
    struct kube_result result = {0};
    struct err err = {0};
    kube_done_f *done = c->done;
    void *done_user = c->user;

    (void)http;
    kube_client_hear(c->client, r);
    if (!r->err && r->body.len > 0)
        result.object = json_parse_object(r->body, &err);
    judge(c, r, &result, &err);
    count(&c->client->counts, &result);
    end_call(c);
    done(&result, done_user);
    json_free(result.object);
}

static void on_not_started(void *user)
{
    struct kube_call *c = user;
    struct err err = c->failure;
    struct kube_result result = {.err = &err};
    kube_done_f *done = c->done;
    void *done_user = c->user;

    count(&c->client->counts, &result);
    end_call(c);
    done(&result, done_user);
}

void kube_call_cancel(struct kube_call **at)
{
    struct kube_call *c = *at;

    *at = NULL;
    if (!c)
        return;
    if (c->http)
        http_call_cancel(&c->http);
    end_call(c);
}

/* -- the verbs -- */

static void start(struct kube_call *c, const char *method, const char *path,
                  const char *content_type, const struct json_t *body, int64_t total_ms)
{
    struct buf bytes;
    struct kube_client *k = c->client;
    struct kube_transport_request req = {.method = method,
                                         .path = path,
                                         .content_type = content_type,
                                         .total_ms = total_ms > 0 ? total_ms : k->call_ms,
                                         .reply_max = OBJECT_MAX};
    int rc = 0;

    buf_init(&bytes, SEND_MAX);
    if (body)
        json_print(body, &bytes);
    req.body = buf_slice(&bytes);
    if (bytes.overflowed)
        rc = err_set(&c->failure, ERR_LIMIT_EXCEEDED, "an object above %zu bytes", SEND_MAX);
    if (rc == 0)
        rc = kube_transport_start(k->transport, &req, on_answer, c, &c->http, &c->failure);
    buf_fini(&bytes);
    if (rc < 0) {
        c->http = NULL;
        c->timer = timer_new(k->world, on_not_started, c);
        timer_start(k->world, c->timer, 0, 0);
    }
}

static struct kube_call *call_pod(struct kube_client *k, const char *method, const char *name,
                                  const char *content_type, const struct json_t *body,
                                  int64_t total_ms, kube_done_f *done, void *user)
{
    struct kube_call *c = mem_alloc(sizeof(*c));
    struct buf path;

    c->client = k;
    c->changes = strcmp(method, "GET") != 0;
    c->done = done;
    c->user = user;
    DL_APPEND(k->calls, c);
    buf_init(&path, 4096);
    buf_add_text(&path, "/api/v1/namespaces/");
    kube_transport_escape(&path, k->namespace_name);
    buf_add_text(&path, "/pods");
    if (name) {
        buf_add_text(&path, "/");
        kube_transport_escape(&path, name);
    }
    start(c, method, buf_text(&path), content_type, body, total_ms);
    buf_fini(&path);
    return c;
}

struct kube_call *kube_pod_create(struct kube_client *k, const struct json_t *pod,
                                  kube_done_f *done, void *user)
{
    return call_pod(k, "POST", NULL, "application/json", pod, 0, done, user);
}

struct kube_call *kube_pod_get(struct kube_client *k, const char *name, kube_done_f *done,
                               void *user)
{
    return call_pod(k, "GET", name, NULL, NULL, 0, done, user);
}

struct kube_call *kube_pod_delete(struct kube_client *k, const char *name, const char *uid,
                                  const char *version, int64_t grace_s, kube_done_f *done,
                                  void *user)
{
    struct json_t *options =
        json_build("{s:s,s:s,s:I,s:{s:s}}", "apiVersion", "v1", "kind", "DeleteOptions",
                   "gracePeriodSeconds", (long long)grace_s, "preconditions", "uid", uid);
    if (version)
        json_set_text(json_get(options, "preconditions"), "resourceVersion", version);
    struct kube_call *c = call_pod(k, "DELETE", name, "application/json", options, 0, done, user);

    json_free(options);
    return c;
}

struct kube_call *kube_pod_patch(struct kube_client *k, const char *name,
                                 const struct json_t *patch, int64_t total_ms, kube_done_f *done,
                                 void *user)
{
    return call_pod(k, "PATCH", name, "application/merge-patch+json", patch, total_ms, done, user);
}
