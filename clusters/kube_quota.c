#include "clusters/kube_quota.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/world.h"
#include "clusters/kube_client.h"
#include "clusters/kube_transport.h"
#include "clusters/quantity.h"
#include <stdlib.h>
#include <string.h>

#define FIRST_MS  50
#define CALL_MS   5000
#define REPLY_MAX ((size_t)1024 * 1024)
#define SELDOM    20 /* how many intervals pass where there is nothing to be seen */
#define NO_LIMITS                                                                                  \
    (struct kube_resources)                                                                        \
    {                                                                                              \
        INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX                                                 \
    }

struct kube_quota {
    struct kube_client *client;
    struct world *world;
    struct timer *timer;
    struct http_call *call;
    char *path;
    int64_t interval_ms;
    struct kube_resources hard;
};

/* -- reading -- */

/* Sandbox pods have a deadline, and ask for CPU and memory. */
static bool counts_sandboxes(const struct json_t *spec)
{
    struct json_t *scopes = json_get(spec, "scopes");

    if (json_get(spec, "scopeSelector"))
        return false; /* by priority class, which sandboxes do not have */
    for (size_t i = 0; i < json_count(scopes); i++) {
        const char *scope = json_text(json_item(scopes, i));
        if (!scope || (strcmp(scope, "Terminating") != 0 && strcmp(scope, "NotBestEffort") != 0))
            return false;
    }
    return true;
}

typedef int parse_f(const char *text, int64_t *out, struct err *err);

static void lower(const struct json_t *hard, const char *key, parse_f *parse, int64_t *limit)
{
    struct err err;
    int64_t value;

    if (parse(json_text(json_get(hard, key)), &value, &err) == 0 && value < *limit)
        *limit = value;
}

void kube_quota_read(const struct json_t *list, struct kube_resources *out)
{
    struct json_t *items = json_get(list, "items");

    *out = NO_LIMITS;
    for (size_t i = 0; i < json_count(items); i++) {
        struct json_t *spec = json_get(json_item(items, i), "spec");
        struct json_t *hard = json_get(spec, "hard");
        if (!counts_sandboxes(spec))
            continue;
        /* Sandboxes ask for what they are limited to, so both kinds say the same. */
        lower(hard, "cpu", quantity_parse_milli, &out->millicpu);
        lower(hard, "requests.cpu", quantity_parse_milli, &out->millicpu);
        lower(hard, "limits.cpu", quantity_parse_milli, &out->millicpu);
        lower(hard, "memory", quantity_parse, &out->memory_bytes);
        lower(hard, "requests.memory", quantity_parse, &out->memory_bytes);
        lower(hard, "limits.memory", quantity_parse, &out->memory_bytes);
        lower(hard, "requests.ephemeral-storage", quantity_parse, &out->ephemeral_bytes);
        lower(hard, "limits.ephemeral-storage", quantity_parse, &out->ephemeral_bytes);
        lower(hard, "pods", quantity_parse, &out->pods);
        lower(hard, "count/pods", quantity_parse, &out->pods);
    }
}

/* -- asking -- */

/* No answer: what was known stays. */
static void on_answer(struct http_call *c, const struct http_call_result *r, void *user)
{
    struct kube_quota *q = user;
    struct err err;

    (void)c;
    q->call = NULL;
    if (r->err)
        return;
    if (r->status == 403 || r->status == 404) {
        q->hard = NO_LIMITS;
        timer_start(q->world, q->timer, q->interval_ms * SELDOM, 0);
    } else if (r->status == 200) {
        struct json_t *list = json_parse_object(r->body, &err);
        if (list)
            kube_quota_read(list, &q->hard);
        json_free(list);
    }
}

static void ask(void *user)
{
    struct kube_quota *q = user;
    const struct kube_transport_request req = {
        .method = "GET", .path = q->path, .total_ms = CALL_MS, .reply_max = REPLY_MAX};
    int64_t jitter_ms = (int64_t)world_random_below(q->world, (uint64_t)q->interval_ms / 8 + 1);
    struct err err;

    timer_start(q->world, q->timer, q->interval_ms - jitter_ms, 0);
    if (!q->call && kube_transport_start(kube_client_transport(q->client), &req, on_answer, q,
                                         &q->call, &err) < 0)
        q->call = NULL;
}

struct kube_quota *kube_quota_new(struct kube_client *k, int64_t interval_ms)
{
    struct kube_quota *q = mem_alloc(sizeof(*q));
    struct buf path;

    q->client = k;
    q->world = kube_client_world(k);
    q->interval_ms = interval_ms;
    q->hard = NO_LIMITS;
    buf_init(&path, 4096);
    buf_add_text(&path, "/api/v1/namespaces/");
    kube_transport_escape(&path, kube_client_namespace(k));
    buf_add_text(&path, "/resourcequotas");
    q->path = mem_text(buf_text(&path));
    buf_fini(&path);
    q->timer = timer_new(q->world, ask, q);
    timer_start(q->world, q->timer, FIRST_MS, 0);
    return q;
}

void kube_quota_free(struct kube_quota **at)
{
    struct kube_quota *q = *at;

    *at = NULL;
    if (!q)
        return;
    if (q->call)
        http_call_cancel(&q->call);
    timer_free(q->world, &q->timer);
    free(q->path);
    free(q);
}

const struct kube_resources *kube_quota_hard(const struct kube_quota *q)
{
    return &q->hard;
}
