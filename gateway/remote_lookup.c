#include "gateway/remote_lookup.h"

#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "gateway/gateway.h"
#include "gateway/remote_session.h"
#include "gateway/session_table.h"
#include "router/remote.h"

#include <stdio.h>
#include <stdlib.h>

#define CALL_MS 3000

struct lookup {
    struct gateway *g;
    char id[SESSION_ID_SIZE];
    size_t waiting;
    struct remote_lookup_answer answer;
    remote_lookup_f *fn;
    void *user;
};

/* One question of a lookup. */
struct question {
    struct lookup *lookup;
    struct remote *remote;
};

static bool adopt_tombstone(struct gateway *g, struct remote *remote, const struct json_t *words)
{
    struct buf text;
    struct err ignored;
    const char *id = json_get_text(words, "session_id", "");
    buf_init(&text, TOMBSTONE_BYTES_MAX);
    json_print(json_get(words, "tombstone"), &text);
    struct tombstone *t = tombstone_parse(id, buf_slice(&text), &ignored);
    buf_fini(&text);
    if (!t)
        return false;
    snprintf(t->site, sizeof(t->site), "%s", remote_name(remote));
    struct session *s = session_table_get(g->sessions, id);
    if (s && s->remote)
        remote_session_end(s, t);
    else if (s)
        tombstone_free(&t); /* it lives here meanwhile */
    else
        session_table_hear(g->sessions, t);
    return true;
}

static bool adopt_living(struct gateway *g, struct remote *remote, const struct json_t *words)
{
    const char *id = json_get_text(words, "session_id", "");
    const char *tenant = json_get_text(words, "tenant", "");
    const char *epoch = json_get_text(words, "epoch", "");
    struct session *s = session_table_get(g->sessions, id);
    if (!session_id_is_label(slice_of(id)) || !session_id_is_label(slice_of(tenant)) || !*epoch)
        return false;
    if (!s) {
        s = session_new(id, tenant, (uint16_t)g->conf.agent_port, world_now_ms(g->world));
        snprintf(s->epoch, sizeof(s->epoch), "%s", epoch);
        snprintf(s->fingerprint, sizeof(s->fingerprint), "%s",
                 json_get_text(words, "fingerprint", ""));
        s->spec.again = json_true(json_get(words, "again"));
        session_table_add(g->sessions, s);
        remote_session_attach(g, s, remote, "");
    } else if (!s->remote || strcmp(s->epoch, epoch) != 0) {
        return true; /* memory knows better */
    }
    remote_session_see(s, json_get(words, "session"));
    return true;
}

bool remote_lookup_adopt(struct gateway *g, struct remote *remote, const struct json_t *words)
{
    if (json_true(json_get(words, "living")))
        return adopt_living(g, remote, words);
    return adopt_tombstone(g, remote, words);
}

static void finish(struct lookup *l)
{
    l->fn(&l->answer, l->user);
    free(l);
}

/* 401, 500, …: it does not say that there is none. */
static void note_silent(struct question *q, const struct remote_result *result,
                        struct remote_lookup_answer *a)
{
    if (a->kind == REMOTE_LOOKUP_FOUND || a->kind == REMOTE_LOOKUP_FOREIGN)
        return;
    a->kind = REMOTE_LOOKUP_SILENT;
    a->held |= remote_capacity(q->remote)->sessions > 0;
    a->untold |= !remote_capacity(q->remote)->told;
    if (result->err)
        a->err = *result->err;
    else
        err_set(&a->err, ERR_SITE_UNREACHABLE, "the site '%s' gives no usable answer",
                remote_name(q->remote));
}

static void take_words(struct question *q, const struct remote_result *result,
                       struct remote_lookup_answer *a)
{
    struct err bad;
    struct json_t *words = json_parse_object(result->body, &bad);
    if (words && json_true(json_get(words, "foreign")))
        a->kind = REMOTE_LOOKUP_FOREIGN;
    else if (words && remote_lookup_adopt(q->lookup->g, q->remote, words))
        a->kind = REMOTE_LOOKUP_FOUND;
    else
        note_silent(q, result, a); /* it knows something that is not understood here */
    json_free(words);
}

static void on_answer(const struct remote_result *result, void *user)
{
    struct question *q = user;
    struct lookup *l = q->lookup;
    if (result->status == 200)
        take_words(q, result, &l->answer);
    else if (result->status != 404)
        note_silent(q, result, &l->answer);
    free(q);
    if (--l->waiting == 0)
        finish(l);
}

static void ask(struct lookup *l, struct remote *remote, const char *tenant, bool begins)
{
    char target[128];
    struct question *q = mem_alloc(sizeof(*q));
    snprintf(target, sizeof(target), "/internal/v1/sessions/%s%s", l->id,
             begins ? "?begins=true" : "");
    const struct remote_request req = {.operation = "lookup",
                                       .method = "GET",
                                       .target = target,
                                       .tenant = tenant,
                                       .total_ms = CALL_MS,
                                       .reply_max = TOMBSTONE_BYTES_MAX + 4096};
    q->lookup = l;
    q->remote = remote;
    l->waiting++;
    /* Uncancelled: it ends by its own deadline, and touches nothing of who asked. */
    struct remote_call *call = remote_call_start(remote, &req, on_answer, q);
    (void)call;
}

static struct lookup *new_lookup(struct gateway *g, const char *id, remote_lookup_f *fn, void *user)
{
    struct lookup *l = mem_alloc(sizeof(*l));
    l->g = g;
    l->fn = fn;
    l->user = user;
    snprintf(l->id, sizeof(l->id), "%s", id);
    return l;
}

void remote_lookup_one(struct gateway *g, struct remote *remote, const char *id, const char *tenant,
                       bool begins, remote_lookup_f *fn, void *user)
{
    ask(new_lookup(g, id, fn, user), remote, tenant, begins);
}

static void nobody_to_ask(void *user)
{
    finish(user);
}

void remote_lookup_all(struct gateway *g, const char *id, const char *tenant, bool begins,
                       remote_lookup_f *fn, void *user)
{
    struct lookup *l = new_lookup(g, id, fn, user);
    for (size_t i = 0; i < remotes_count(g->remotes); i++)
        ask(l, remotes_at(g->remotes, i), tenant, begins);
    if (l->waiting == 0)
        loop_defer(g->loop, nobody_to_ask, l);
}
