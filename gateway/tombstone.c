#include "gateway/tombstone.h"

#include "base/digest.h"
#include "base/json.h"
#include "base/mem.h"
#include "gateway/session.h"
#include "gateway/session_view.h"

#include <stdio.h>
#include <stdlib.h>

/* The agent is gone: what had not been stored by then is lost. */
static struct json_t *known_executions(const struct session *s)
{
    struct json_t *list = json_new_array();
    const char *eid;
    struct json_t *state;
    void *it = NULL;
    while ((it = json_next(s->executions, it, &eid, &state))) {
        bool stored = slice_eq(slice_of(json_text(state)), "stored");
        json_add(list, json_build("{s:s,s:s,s:s}", "session_id", s->id, "execution_id", eid,
                                  "status", stored ? "completed" : "lost"));
    }
    return list;
}

static bool is_list(const struct json_t *executions)
{
    for (size_t i = 0; i < json_count(executions); i++) {
        if (!*json_get_text(json_item(executions, i), "execution_id", ""))
            return false;
    }
    return json_is_array(executions);
}

static bool is_whole(const struct json_t *j)
{
    const struct json_t *let_go = json_get(j, "let_go");
    return is_list(json_get(j, "executions")) && json_is_object(json_get(j, "session")) &&
           session_id_is_label(slice_of(json_get_text(j, "tenant", ""))) &&
           json_is_bool(json_get(j, "agreed")) &&
           (!let_go ||
            (json_is_string(let_go) && json_text_len(let_go) % TOMBSTONE_LET_GO_DIGITS == 0));
}

static void read_fields(struct tombstone *t)
{
    const struct json_t *j = t->json;
    snprintf(t->tenant, sizeof(t->tenant), "%s", json_get_text(j, "tenant", ""));
    snprintf(t->epoch, sizeof(t->epoch), "%s", json_get_text(j, "epoch", ""));
    snprintf(t->origin, sizeof(t->origin), "%s", json_get_text(j, "origin", ""));
    snprintf(t->last_execution, sizeof(t->last_execution), "%s",
             json_get_text(j, "last_execution", ""));
    t->agreed = json_true(json_get(j, "agreed"));
    t->cleanup = slice_eq(slice_of(json_get_text(j, "cleanup", "completion")), "idle")
                     ? SESSION_CLEANUP_IDLE
                     : SESSION_CLEANUP_COMPLETION;
    t->executions = json_get(j, "executions");
    t->let_go = json_get(j, "let_go");
    t->view = json_get(j, "session");
}

struct tombstone *tombstone_new(const struct session *s, bool agreed, struct json_t *executions,
                                const char *site)
{
    struct tombstone *t = mem_alloc(sizeof(*t));
    snprintf(t->id, sizeof(t->id), "%s", s->id);
    t->json = json_new_object();
    json_set_text(t->json, "tenant", s->tenant);
    json_set_text(t->json, "epoch", s->epoch);
    json_set_text(t->json, "origin", *s->spec.origin ? s->spec.origin : NULL);
    json_set_bool(t->json, "agreed", agreed);
    json_set_text(t->json, "cleanup", session_cleanup_name(s->spec.cleanup));
    json_set_text(t->json, "last_execution", *s->last_execution ? s->last_execution : NULL);
    json_set(t->json, "executions", executions ? executions : known_executions(s));
    json_set(t->json, "session", session_view(s, site));
    read_fields(t);
    return t;
}

struct tombstone *tombstone_new_lost(const char *session_id, const char *tenant, const char *site)
{
    struct session *s = session_new(session_id, tenant, 0, 0);
    s->spec.cleanup = SESSION_CLEANUP_COMPLETION;
    fsm_move(&s->fsm, SESSION_ERROR);
    snprintf(s->reason, sizeof(s->reason), "record_damaged");
    session_set_text(
        &s->message,
        "what the result store had of it was damaged, so it is not known what ran there");
    struct tombstone *t = tombstone_new(s, false, NULL, site);
    session_unref(s);
    return t;
}

struct tombstone *tombstone_parse(const char *session_id, struct slice text, struct err *err)
{
    struct json_t *j = json_parse_object(text, err);
    if (!j)
        return NULL;
    if (!is_whole(j)) {
        err_set(err, ERR_STORE, "the tombstone of '%s' is damaged", session_id);
        json_free(j);
        return NULL;
    }
    struct tombstone *t = mem_alloc(sizeof(*t));
    snprintf(t->id, sizeof(t->id), "%s", session_id);
    t->json = j;
    read_fields(t);
    return t;
}

void tombstone_set_let_go(struct tombstone *t, struct json_t *digests)
{
    if (!digests)
        return;
    json_set(t->json, "let_go", json_ref(digests));
    read_fields(t);
}

void tombstone_free(struct tombstone **t)
{
    if (!*t)
        return;
    json_free((*t)->json);
    free(*t);
    *t = NULL;
}

void tombstone_print(const struct tombstone *t, struct buf *out)
{
    json_print(t->json, out);
}

const struct json_t *tombstone_execution(const struct tombstone *t, const char *execution_id)
{
    for (size_t i = 0; i < json_count(t->executions); i++) {
        const struct json_t *item = json_item(t->executions, i);
        if (strcmp(json_get_text(item, "execution_id", ""), execution_id) == 0)
            return item;
    }
    return NULL;
}

static bool was_let_go(const struct tombstone *t, const char *execution_id)
{
    char digest[DIGEST_HEX];
    const char *all = json_text(t->let_go);
    size_t len = all ? json_text_len(t->let_go) : 0;
    if (len == 0)
        return false;
    digest_sha256_hex(slice_of(execution_id), digest);
    for (size_t i = 0; i + TOMBSTONE_LET_GO_DIGITS <= len; i += TOMBSTONE_LET_GO_DIGITS) {
        if (memcmp(all + i, digest, TOMBSTONE_LET_GO_DIGITS) == 0)
            return true;
    }
    return false;
}

bool tombstone_knows(const struct tombstone *t, const char *execution_id)
{
    return tombstone_execution(t, execution_id) || was_let_go(t, execution_id);
}
