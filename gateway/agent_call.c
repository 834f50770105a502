#include "gateway/agent_call.h"

#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "gateway/gateway.h"
#include "gateway/gateway_metrics.h"
#include "gateway/session.h"
#include "http/upstream.h"

#include <stdio.h>
#include <stdlib.h>

#define REPLY_MAX_DEFAULT ((size_t)256 * 1024)

struct agent_call {
    struct gateway *g;
    struct session *s;
    struct upstream_fetch *fetch;
    agent_call_done_f *done;
    void *user;
    enum http_method method;
    char *target;
    char *body;
    size_t body_len;
    const char *content_type;
    char *idempotency_key;
    int64_t total_ms;
    size_t reply_max;
    int key_used; /* of the site's keys */
    bool other_key_tried;
    bool cancelled;      /* while a deferred callback is still to come */
    struct err *refused; /* why it could not begin, until the deferred callback says so */
};

static void free_call(struct agent_call *c)
{
    session_unref(c->s);
    free(c->target);
    free(c->body);
    free(c->idempotency_key);
    free(c->refused);
    free(c);
}

static void finish(struct agent_call *c, int status, struct slice body, const struct err *err)
{
    /* That an agent is not there yet is no news: the first calls are the probe. */
    if (!err || session_is_started(c->s))
        gateway_metrics_agent_call(c->g->metrics, err ? 0 : status);
    c->done(status, body, err, c->user);
    free_call(c);
}

static void fail_later(void *user)
{
    struct agent_call *c = user;
    if (c->cancelled)
        free_call(c);
    else
        finish(c, 0, (struct slice){0}, c->refused);
}

/* The token, signed once for each incarnation and key: two SHA-256 are more than the rest of a
 * call. */
static const char *token_of(const struct gateway *g, struct session *s)
{
    if (s->signed_for.key_index != s->key_index || strcmp(s->signed_for.nonce, s->nonce) != 0 ||
        strcmp(s->signed_for.epoch, s->epoch) != 0 || !*s->signed_for.token) {
        site_key_token(&g->keys, s->key_index, s->id, s->epoch, s->nonce, s->signed_for.token);
        s->signed_for.key_index = s->key_index;
        memcpy(s->signed_for.epoch, s->epoch, sizeof(s->epoch));
        memcpy(s->signed_for.nonce, s->nonce, sizeof(s->nonce));
    }
    return s->signed_for.token;
}

void agent_call_authorization(const struct gateway *g, struct session *s,
                              char out[AGENT_CALL_AUTHORIZATION_SIZE])
{
    static const char SCHEME[] = "Bearer ";
    memcpy(out, SCHEME, sizeof(SCHEME) - 1);
    memcpy(out + sizeof(SCHEME) - 1, token_of(g, s), DIGEST_HEX);
}

void agent_call_tell_unsent(struct err *err)
{
    if (err->code == ERR_DEADLINE || err->code == ERR_UPSTREAM)
        err_set(err, ERR_UNAVAILABLE, "the sandbox does not answer; nothing was submitted");
}

static void send_call(struct agent_call *c);

static void on_fetched(int status, struct slice body, const struct err *err, bool sent, void *user)
{
    struct agent_call *c = user;
    struct err unsent;
    c->fetch = NULL;
    if (err && !sent) {
        unsent = *err;
        agent_call_tell_unsent(&unsent);
        err = &unsent;
    }
    if (!err && status == 401 && !c->other_key_tried && c->g->keys.count > 1) {
        /* The pod is from before, or after, a rotation that this gateway sees otherwise. */
        c->other_key_tried = true;
        if (c->s->key_index == c->key_used) /* else another call has found out already */
            c->s->key_index = 1 - c->s->key_index;
        send_call(c);
        return;
    }
    finish(c, status, body, err);
}

static void send_call(struct agent_call *c)
{
    char authorization[AGENT_CALL_AUTHORIZATION_SIZE];
    agent_call_authorization(c->g, c->s, authorization);
    c->key_used = c->s->key_index;
    struct http_header headers[3];
    unsigned count = 0;
    headers[count++] = (struct http_header){slice_of("Authorization"), slice_of(authorization)};
    if (c->body_len > 0)
        headers[count++] =
            (struct http_header){slice_of("Content-Type"), slice_of(c->content_type)};
    if (c->idempotency_key)
        headers[count++] =
            (struct http_header){slice_of("Idempotency-Key"), slice_of(c->idempotency_key)};
    const struct upstream_request req = {
        .method = c->method,
        .target = slice_of(c->target),
        .headers = headers,
        .header_count = count,
        .body = {c->body, c->body_len},
        .content_length = (int64_t)c->body_len,
        .head_ms = c->total_ms,
        .total_ms = c->total_ms,
    };
    struct err err;
    int rc = 0;
    if (!*c->s->agent.host)
        rc = err_set(&err, ERR_UPSTREAM, "the sandbox has no address");
    if (rc == 0)
        rc = upstream_fetch_start(c->g->agents, &c->s->agent, &req, c->reply_max, on_fetched, c,
                                  &c->fetch, &err);
    if (rc < 0) {
        c->refused = mem_alloc(sizeof(err));
        *c->refused = err;
        loop_defer(c->g->loop, fail_later, c);
    }
}

struct agent_call *agent_call_start(struct gateway *g, struct session *s,
                                    const struct agent_call_request *req, agent_call_done_f *done,
                                    void *user)
{
    struct agent_call *c = mem_alloc(sizeof(*c));
    c->g = g;
    c->s = session_ref(s);
    c->done = done;
    c->user = user;
    c->method = req->method;
    c->target = mem_text(req->target);
    c->body = req->body.len > 0 ? mem_text_n(req->body.at, req->body.len) : NULL;
    c->body_len = req->body.len;
    c->content_type = req->content_type ? req->content_type : "application/json";
    c->idempotency_key = mem_text(req->idempotency_key);
    c->total_ms = req->total_ms;
    c->reply_max = req->reply_max ? req->reply_max : REPLY_MAX_DEFAULT;
    send_call(c);
    return c;
}

void agent_call_cancel(struct agent_call **call)
{
    struct agent_call *c = *call;
    if (!c)
        return;
    *call = NULL;
    if (c->refused) {
        c->cancelled = true;
        return;
    }
    upstream_fetch_cancel(&c->fetch);
    free_call(c);
}

static enum err_code code_of(const char *wire, int status)
{
    for (int i = 1; i < ERR_CODE_COUNT; i++) {
        if (wire && strcmp(wire, err_wire_name((enum err_code)i)) == 0)
            return (enum err_code)i;
    }
    return status == 404 ? ERR_NOT_FOUND : ERR_UPSTREAM;
}

void agent_call_problem(int status, struct slice body, struct err *err)
{
    struct err ignored;
    struct json_t *j = json_parse_object(body, &ignored);
    const char *detail = json_get_text(j, "detail", NULL);
    err_set(err, code_of(json_get_text(j, "code", NULL), status), "%s",
            detail ? detail : "the sandbox gave no usable answer");
    json_free(j);
}
