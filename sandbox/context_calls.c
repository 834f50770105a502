#include "sandbox/context_calls.h"
#include "base/json.h"
#include "base/log.h"
#include "http/http_reply.h"
#include "http/problem.h"
#include "sandbox/agent.h"
#include "sandbox/result_query.h"
#include <stdio.h>

#define BODY_MAX ((size_t)16 * 1024)

static void touch(struct agent *a)
{
    activity_touch(&a->activity, world_now_ms(a->world));
    agent_changed(a);
}

/* -- create -- */

struct create {
    const char *id; /* NULL: to be minted */
    const char *language;
};

static int read_members(const struct json_t *body, struct create *out, struct err *err)
{
    const char *key;
    struct json_t *value;
    for (void *it = NULL; (it = json_next(body, it, &key, &value));) {
        const char **to = strcmp(key, "context_id") == 0 ? &out->id
                          : strcmp(key, "language") == 0 ? &out->language
                                                         : NULL;
        if (!to)
            return err_set(err, ERR_INVALID_ARGUMENT, "unknown member \"%.64s\"", key);
        if (!json_is_null(value)) /* as if it were not there */
            *to = json_is_string(value) ? json_text(value) : "";
    }
    if (out->id && !result_query_id_ok(out->id))
        return err_set(err, ERR_INVALID_ID, "context_id must be 1 to 64 of [A-Za-z0-9._-]");
    if (!*out->language)
        return err_set(err, ERR_INVALID_ARGUMENT, "language must be a text");
    return 0;
}

static const struct language *find_language(const struct agent *a, const char *name,
                                            struct err *err)
{
    const struct language *l = languages_find(&a->languages, slice_of(name));
    if (!l || !language_installed(l)) {
        char there[200];
        languages_list_installed(&a->languages, there, sizeof(there));
        err_set(err, ERR_UNKNOWN_LANGUAGE, "this environment has %s", there);
        return NULL;
    }
    if (l->context.count > 0)
        return l;
    err_set(err, ERR_INVALID_ARGUMENT, "language: %s has no contexts", l->name);
    return NULL;
}

static struct context *create(struct agent *a, const struct json_t *body, struct err *err)
{
    struct create c = {.id = NULL, .language = "python"};
    if (a->activity.quiesced) {
        err_set(err, ERR_SESSION_ENDED, "the session has ended");
        return NULL;
    }
    if (read_members(body, &c, err) < 0)
        return NULL;
    const struct language *l = find_language(a, c.language, err);
    return l ? contexts_make(&a->contexts, c.id, l, err) : NULL;
}

static void on_body(struct http_exchange *x, struct slice body, const struct err *failed,
                    void *user)
{
    struct agent *a = user;
    struct err err = {0};
    if (failed) {
        problem_reply(x, failed);
        return;
    }
    struct json_t *j = json_parse_object(body.len > 0 ? body : slice_of("{}"), &err);
    const struct context *c = j ? create(a, j, &err) : NULL;
    json_free(j);
    if (!c) {
        problem_reply(x, &err);
        return;
    }
    touch(a);
    LOG(LOG_INFO, "context_started", KV("context", context_id(c)),
        KV("language", (const char *)context_language(c)->name));
    http_reply_json(x, 201, context_object(c));
}

void context_calls_create(struct http_exchange *x, const struct http_route_match *m, void *agent)
{
    (void)m;
    struct agent *a = agent;
    if (!a->activity.started) {
        problem_replyf(x, ERR_SESSION_NOT_READY, "the session was not started yet");
        return;
    }
    http_exchange_collect(x, BODY_MAX, on_body, a);
}

/* -- the others -- */

static struct context *find_by_path(const struct http_route_match *m, struct agent *a,
                                    struct err *err)
{
    char id[65];
    snprintf(id, sizeof(id), "%.*s", SLICE_ARG(m->params[0]));
    if (m->params[0].len < sizeof(id) && result_query_id_ok(id))
        return contexts_find(&a->contexts, id, err);
    err_set(err, ERR_INVALID_ID, "context ids are 1 to 64 of [A-Za-z0-9._-]");
    return NULL;
}

void context_calls_list(struct http_exchange *x, const struct http_route_match *m, void *agent)
{
    (void)m;
    const struct agent *a = agent;
    http_reply_json(x, 200, contexts_list(&a->contexts));
}

void context_calls_get(struct http_exchange *x, const struct http_route_match *m, void *agent)
{
    struct err err = {0};
    const struct context *c = find_by_path(m, agent, &err);
    if (c)
        http_reply_json(x, 200, context_object(c));
    else
        problem_reply(x, &err);
}

void context_calls_delete(struct http_exchange *x, const struct http_route_match *m, void *agent)
{
    struct agent *a = agent;
    struct err err = {0};
    struct context *c = find_by_path(m, a, &err);
    /* One that has ended is what was asked for: a DELETE may come twice, from a client or on its
     * way. */
    if (!c && err.code != ERR_CONTEXT_ENDED) {
        problem_reply(x, &err);
        return;
    }
    if (c)
        context_kill(c, "it was deleted");
    touch(a);
    http_reply(x, 204, NULL, (struct slice){0});
}
