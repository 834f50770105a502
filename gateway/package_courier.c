#include "gateway/package_courier.h"

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "gateway/agent_call.h"
#include "gateway/gateway.h"
#include "gateway/session.h"
#include "http/http_call.h"
#include "http/upstream.h"

#include <stdio.h>
#include <stdlib.h>

#define WAIT_S        20
#define WAIT_SLACK_MS 5000
#define CALL_MS       5000
#define CONNECT_MS    5000
#define IDLE_MS       30000
#define AGAIN_MS      250
#define URL_MAX       ((size_t)4096)
#define PIECE_MAX     ((size_t)2 * 1024 * 1024)
#define HIGH_WATER    ((size_t)256 * 1024)

struct package_courier {
    struct gateway *g;
    struct session *s;
    struct agent_call *call;    /* asks what is wanted, or says why it does not come */
    struct http_call *fetch;    /* from the index */
    struct upstream_call *give; /* into the pod */
    struct timer *again;
    struct package_links links;
    bool is_page;  /* with addresses that the sandbox must see otherwise */
    int64_t id;    /* of the question */
    int64_t bytes; /* brought so far */
};

static void ask(struct package_courier *c);

static void ask_later(struct package_courier *c)
{
    timer_start(c->g->world, c->again, AGAIN_MS, 0);
}

static void stop_bringing(struct package_courier *c)
{
    http_call_cancel(&c->fetch);
    upstream_cancel(&c->give);
}

/* -- what cannot be brought -- */

static void on_refused(int status, struct slice body, const struct err *err, void *user)
{
    struct package_courier *c = user;
    (void)body;
    c->call = NULL;
    if (err || status >= 500)
        ask_later(c);
    else
        ask(c);
}

/* `status` is what the installer sees: at 502 it tries again. */
static void refuse(struct package_courier *c, int status, const char *why)
{
    char target[64];
    struct buf body;
    stop_bringing(c);
    LOG(LOG_WARN, "package_not_brought", KV("session", c->s->id), KV("why", why));
    snprintf(target, sizeof(target), "/v1/packages/%lld/refuse", (long long)c->id);
    buf_init(&body, 4096);
    struct json_t *j = json_build("{s:i,s:s}", "status", status, "why", why);
    json_print(j, &body);
    json_free(j);
    const struct agent_call_request req = {.method = HTTP_METHOD_POST,
                                           .target = target,
                                           .body = buf_slice(&body),
                                           .total_ms = CALL_MS};
    c->call = agent_call_start(c->g, c->s, &req, on_refused, c);
    buf_fini(&body);
}

/* Where the index is, and what libcurl says of it, is for the operator. */
static void refuse_failed(struct package_courier *c, const struct err *err)
{
    LOG(LOG_WARN, "package_index_failed", KV("session", c->s->id), KV("error", err->msg));
    if (err->code == ERR_UNAVAILABLE)
        refuse(c, 502, "the site's package index cannot be reached");
    else if (err->code == ERR_DEADLINE)
        refuse(c, 502, "the site's package index does not answer in time");
    else
        refuse(c, 502, "the site's package index gave no usable answer");
}

static void refuse_status(struct package_courier *c, int status)
{
    char why[96];
    snprintf(why, sizeof(why), "the site's package index answered with %d", status);
    refuse(c, status >= 500 ? 502 : 403, why);
}

static void refuse_size(struct package_courier *c)
{
    char why[96];
    snprintf(why, sizeof(why), "the packages are larger than the site allows (%lld bytes)",
             (long long)c->g->conf.limits.package_bytes);
    refuse(c, 403, why);
}

/* -- into the pod -- */

static void on_given(struct upstream_call *call, void *user)
{
    struct package_courier *c = user;
    (void)call;
    c->give = NULL;
    stop_bringing(c); /* the installer did not want the rest */
    ask(c);
}

static void on_give_failed(struct upstream_call *call, const struct err *err, bool sent, void *user)
{
    struct package_courier *c = user;
    (void)call;
    (void)sent;
    c->give = NULL;
    LOG(LOG_WARN, "package_give_failed", KV("session", c->s->id), KV("error", err->msg));
    stop_bringing(c);
    ask_later(c);
}

static void on_writable(struct upstream_call *call, void *user)
{
    struct package_courier *c = user;
    (void)call;
    if (c->fetch)
        http_call_resume(c->fetch);
}

static void on_give_head(struct upstream_call *call, const struct http_head *head, void *user)
{
    (void)call;
    (void)head;
    (void)user;
}

static void on_give_data(struct upstream_call *call, struct slice piece, void *user)
{
    (void)call;
    (void)piece;
    (void)user;
}

static const struct upstream_events GIVE = {on_give_head, on_give_data, on_given, on_give_failed,
                                            on_writable};

/* `location` empty: none. */
static int begin_giving(struct package_courier *c, const struct http_call_head *head,
                        struct slice location, struct err *err)
{
    char target[64], authorization[AGENT_CALL_AUTHORIZATION_SIZE];
    struct http_header fields[3];
    struct slice type = http_call_head_get(head, "Content-Type");
    struct upstream_request req = {.method = HTTP_METHOD_POST, .headers = fields};
    agent_call_authorization(c->g, c->s, authorization);
    fields[req.header_count++] =
        (struct http_header){slice_of("Authorization"), slice_of(authorization)};
    if (type.len > 0 && http_text_is_clean(type))
        fields[req.header_count++] = (struct http_header){slice_of("Content-Type"), type};
    if (location.len > 0 && http_text_is_clean(location))
        fields[req.header_count++] = (struct http_header){slice_of("Location"), location};
    snprintf(target, sizeof(target), "/v1/packages/%lld?status=%d", (long long)c->id, head->status);
    req.target = slice_of(target);
    req.body_streamed = true;
    req.content_length = c->is_page ? -1 : head->content_length;
    return upstream_start(c->g->agents, &c->s->agent, &req, &GIVE, c, &c->give, err);
}

static void give(struct package_courier *c, struct slice piece)
{
    if (piece.len > 0 && upstream_write(c->give, piece) > HIGH_WATER && c->fetch)
        http_call_pause(c->fetch);
}

static void give_page(struct package_courier *c, struct slice piece, bool last)
{
    struct buf seen;
    buf_init(&seen, PIECE_MAX);
    package_links_feed(&c->links, piece, last, &seen);
    give(c, buf_slice(&seen));
    buf_fini(&seen);
}

/* -- from the index -- */

static bool holds(struct slice text, const char *word)
{
    return memmem(text.at, text.len, word, strlen(word)) != NULL;
}

static bool is_page(const struct http_call_head *head)
{
    struct slice type = http_call_head_get(head, "Content-Type");
    return type.len > 0 && (holds(type, "html") || holds(type, "json"));
}

/* As the sandbox sees it; empty where it cannot. */
static void see_location(const struct package_courier *c, struct slice location, struct buf *out)
{
    struct package_links links;
    package_links_init(&links, &c->g->conf.packages);
    package_links_feed(&links, location, true, out);
    package_links_fini(&links);
    if (out->len > 0 && (*out->data != '/' || slice_starts_with(buf_slice(out), "//")))
        buf_clear(out);
}

static bool is_answer(int status)
{
    return status / 100 == 2 || status == 404 || status == 410;
}

static void on_head(struct http_call *call, const struct http_call_head *head, void *user)
{
    struct package_courier *c = user;
    struct buf location;
    struct err err;
    (void)call;
    buf_init(&location, URL_MAX);
    if (head->status / 100 == 3)
        see_location(c, http_call_head_get(head, "Location"), &location);
    c->is_page = is_page(head);
    if (!is_answer(head->status) && location.len == 0)
        refuse_status(c, head->status);
    else if (c->bytes + head->content_length > c->g->conf.limits.package_bytes)
        refuse_size(c);
    else if (begin_giving(c, head, buf_slice(&location), &err) < 0)
        refuse_failed(c, &err);
    buf_fini(&location);
}

static void on_data(struct http_call *call, struct slice piece, void *user)
{
    struct package_courier *c = user;
    (void)call;
    c->bytes += (int64_t)piece.len;
    if (c->bytes > c->g->conf.limits.package_bytes) {
        LOG(LOG_WARN, "packages_too_large", KV("session", c->s->id));
        stop_bringing(c); /* the agent sees it broken off */
        ask_later(c);
    } else if (c->is_page) {
        give_page(c, piece, false);
    } else {
        give(c, piece);
    }
}

static void on_fetched(struct http_call *call, const struct http_call_result *result, void *user)
{
    struct package_courier *c = user;
    (void)call;
    c->fetch = NULL;
    if (result->err && c->give) {
        LOG(LOG_WARN, "package_index_failed", KV("session", c->s->id),
            KV("error", result->err->msg));
        upstream_cancel(&c->give);
        ask_later(c);
    } else if (result->err) {
        refuse_failed(c, result->err);
    } else {
        if (c->is_page)
            give_page(c, (struct slice){0}, true);
        upstream_body_end(c->give);
    }
}

static int begin_fetching(struct package_courier *c, const struct json_t *wanted, struct err *err)
{
    struct buf url;
    const char *ca_file = c->g->conf.packages_ca_file;
    char *accept = mem_format("Accept: %s", json_get_text(wanted, "accept", "*/*"));
    const char *const fields[] = {accept, "User-Agent: spillway"};
    buf_init(&url, URL_MAX);
    int rc = 0;
    if (!package_index_url(&c->g->conf.packages, slice_of(json_get_text(wanted, "target", "")),
                           &url))
        rc = err_set(err, ERR_NOT_FOUND, "no address of the index");
    const struct http_call_request req = {.method = "GET",
                                          .url = buf_text(&url),
                                          .headers = fields,
                                          .header_count = ARRAY_LEN(fields),
                                          .tls = {.ca_file = *ca_file ? ca_file : NULL},
                                          .connect_ms = CONNECT_MS,
                                          .idle_ms = IDLE_MS,
                                          .on_head = on_head,
                                          .on_data = on_data};
    if (rc == 0)
        rc = http_call_start(c->g->caller, &req, on_fetched, c, &c->fetch, err);
    buf_fini(&url);
    free(accept);
    return rc;
}

/* -- one question after the other -- */

static void take_question(struct package_courier *c, struct slice body)
{
    struct err err;
    struct json_t *wanted = json_parse_object(body, &err);
    int rc = wanted ? 0 : -ERR_BAD_JSON;
    c->id = json_int(json_get(wanted, "id"), 0);
    package_links_fini(&c->links);
    package_links_init(&c->links, &c->g->conf.packages);
    if (rc == 0)
        rc = begin_fetching(c, wanted, &err);
    json_free(wanted);
    if (rc == -ERR_BAD_JSON)
        ask_later(c);
    else if (rc == -ERR_NOT_FOUND)
        refuse(c, 404, "the site's package index has no such address");
    else if (rc < 0)
        refuse_failed(c, &err);
}

static void on_asked(int status, struct slice body, const struct err *err, void *user)
{
    struct package_courier *c = user;
    c->call = NULL;
    if (!err && status == 200)
        take_question(c, body);
    else if (!err && status == 204)
        ask(c);
    else if (err || status >= 500)
        ask_later(c);
    /* else: nothing is installed any more, or by an agent that does not know of an index */
}

static void ask(struct package_courier *c)
{
    char target[64];
    snprintf(target, sizeof(target), "/v1/packages/wanted?wait=%d", WAIT_S);
    const struct agent_call_request req = {
        .method = HTTP_METHOD_GET, .target = target, .total_ms = WAIT_S * 1000 + WAIT_SLACK_MS};
    c->call = agent_call_start(c->g, c->s, &req, on_asked, c);
}

static void on_again(void *user)
{
    struct package_courier *c = user;
    ask(c);
}

struct package_courier *package_courier_start(struct gateway *g, struct session *s)
{
    if (!package_index_is_there(&g->conf.packages))
        return NULL;
    struct package_courier *c = mem_alloc(sizeof(*c));
    *c = (struct package_courier){.g = g, .s = session_ref(s)};
    c->again = timer_new(g->world, on_again, c);
    package_links_init(&c->links, &g->conf.packages);
    ask(c);
    return c;
}

void package_courier_free(struct package_courier **courier)
{
    struct package_courier *c = *courier;
    if (!c)
        return;
    *courier = NULL;
    stop_bringing(c);
    agent_call_cancel(&c->call);
    timer_free(c->g->world, &c->again);
    package_links_fini(&c->links);
    session_unref(c->s);
    free(c);
}
