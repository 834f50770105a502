#include "sandbox/contexts.h"
#include "base/json.h"
#include <stdio.h>
#include <string.h>

static void on_ended(struct context *c, void *user)
{
    struct contexts *l = user;
    struct context_past *p = &l->past[l->past_next++ % CONTEXTS_PAST_MAX];
    snprintf(p->id, sizeof(p->id), "%s", context_id(c));
    snprintf(p->why, sizeof(p->why), "%s", context_why(c));
    l->changed(l->user);
}

static size_t kill_strays(void *user)
{
    struct contexts *l = user;
    return l->kill_strays(l->user);
}

void contexts_init(struct contexts *l, const struct contexts_conf *conf)
{
    *l = (struct contexts){.host = conf->host, .changed = conf->changed, .user = conf->host.user};
    l->host.ended = on_ended;
    l->host.kill_strays = kill_strays;
    l->host.user = l;
    l->kill_strays = conf->host.kill_strays;
}

static void sweep(struct contexts *l)
{
    for (size_t i = l->count; i > 0; i--)
        if (context_may_free(l->items[i - 1])) {
            context_free(&l->items[i - 1]);
            l->count--;
            memmove(l->items + i - 1, l->items + i, (l->count - (i - 1)) * sizeof(*l->items));
        }
}

static size_t living(const struct contexts *l)
{
    size_t n = 0;
    for (size_t i = 0; i < l->count; i++)
        n += !context_is_over(l->items[i]);
    return n;
}

static struct context *find(const struct contexts *l, const char *id)
{
    for (size_t i = l->count; i > 0; i--)
        if (strcmp(context_id(l->items[i - 1]), id) == 0)
            return l->items[i - 1];
    return NULL;
}

static void mint(struct contexts *l, char *out)
{
    out[0] = 'c';
    world_random_hex(loop_world(l->host.loop), out + 1, 8);
}

struct context *contexts_make(struct contexts *l, const char *id, const struct language *language,
                              struct err *err)
{
    char minted[18];
    sweep(l);
    if (!id || !*id) {
        mint(l, minted);
        id = minted;
    }
    const struct context *old = find(l, id);
    if (old && !context_is_over(old)) {
        err_set(err, ERR_CONTEXT_CONFLICT, "there is a context %s already", id);
        return NULL;
    }
    if (living(l) >= CONTEXTS_MAX || l->count >= CONTEXTS_MAX * 2) {
        err_set(err, ERR_TOO_MANY_CONTEXTS, "the session has %d contexts, which is its limit",
                CONTEXTS_MAX);
        return NULL;
    }
    struct context *c = context_start(&l->host, id, language, err);
    if (c)
        l->items[l->count++] = c;
    return c;
}

struct context *contexts_find(struct contexts *l, const char *id, struct err *err)
{
    sweep(l);
    struct context *c = find(l, id);
    if (c && !context_is_over(c))
        return c;
    if (c) {
        err_set(err, ERR_CONTEXT_ENDED, "the context %s has ended: %s", id, context_why(c));
        return NULL;
    }
    for (size_t i = 0; i < CONTEXTS_PAST_MAX; i++)
        if (strcmp(l->past[i].id, id) == 0) {
            err_set(err, ERR_CONTEXT_ENDED, "the context %s has ended: %s", id, l->past[i].why);
            return NULL;
        }
    err_set(err, ERR_CONTEXT_NOT_FOUND, "there is no context %s", id);
    return NULL;
}

bool contexts_reaped(struct contexts *l, pid_t pid)
{
    for (size_t i = 0; i < l->count; i++)
        if (context_leader(l->items[i]) == pid) {
            context_leader_reaped(l->items[i]);
            return true;
        }
    return false;
}

size_t contexts_leaders(const struct contexts *l, pid_t *out, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < l->count && n < max; i++)
        if (context_leader(l->items[i]) > 0)
            out[n++] = context_leader(l->items[i]);
    return n;
}

void contexts_kill_all(struct contexts *l, const char *why)
{
    for (size_t i = 0; i < l->count; i++)
        context_kill(l->items[i], why);
}

struct json_t *contexts_list(const struct contexts *l)
{
    struct json_t *items = json_new_array();
    for (size_t i = 0; i < l->count; i++)
        if (!context_is_over(l->items[i]))
            json_add(items, context_object(l->items[i]));
    struct json_t *body = json_new_object();
    json_set(body, "items", items);
    json_set(body, "continue", json_new_null());
    return body;
}
