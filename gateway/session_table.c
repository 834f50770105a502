#include "gateway/session_table.h"

#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "clusters/kube_object.h"

#include <stdlib.h>

#define SHORT_TOMBSTONE_MS 5000
#define CHECK_MS           5000
#define LET_GO_KEPT_MAX    ((size_t)16 * 1024)

struct session_table {
    struct loop *loop;
    struct session *living;
    struct tombstone *ended; /* in order of their ends: the oldest first */
    size_t tombstones_max;
    int64_t tombstone_ms;
};

struct session_table *session_table_new(struct loop *l, size_t tombstones_max, int64_t tombstone_ms)
{
    struct session_table *t = mem_alloc(sizeof(*t));
    t->loop = l;
    t->tombstones_max = tombstones_max;
    t->tombstone_ms = tombstone_ms;
    return t;
}

void session_table_free(struct session_table **t)
{
    if (!*t)
        return;
    struct session *s, *next;
    HASH_ITER (hh, (*t)->living, s, next) {
        HASH_DEL((*t)->living, s);
        session_unref(s);
    }
    while ((*t)->ended)
        session_table_forget(*t, (*t)->ended->id);
    free(*t);
    *t = NULL;
}

struct session *session_table_get(const struct session_table *t, const char *id)
{
    struct session *s;
    HASH_FIND_STR(t->living, id, s);
    return s;
}

void session_table_add(struct session_table *t, struct session *s)
{
    session_table_forget(t, s->id);
    s->history.world = loop_world(t->loop);
    s->fsm.history = &s->history;
    HASH_ADD_STR(t->living, id, s);
}

void session_table_remove(struct session_table *t, struct session *s, struct tombstone *tomb)
{
    if (session_table_get(t, s->id) == s) {
        HASH_DEL(t->living, s);
        if (tomb)
            session_table_remember(t, tomb);
        session_table_changed(t, s);
        session_unref(s);
    } else {
        tombstone_free(&tomb);
    }
}

size_t session_table_count(const struct session_table *t)
{
    return HASH_COUNT(t->living);
}

size_t session_table_count_here(const struct session_table *t)
{
    size_t count = 0;
    for (const struct session *s = t->living; s; s = s->hh.next)
        count += !session_is_remote(s);
    return count;
}

size_t session_table_count_tenant(const struct session_table *t, const char *tenant)
{
    size_t count = 0;
    for (const struct session *s = t->living; s; s = s->hh.next)
        count += strcmp(s->tenant, tenant) == 0;
    return count;
}

size_t session_table_count_state(const struct session_table *t, enum session_state state)
{
    size_t count = 0;
    for (const struct session *s = t->living; s; s = s->hh.next)
        count += session_state(s) == state;
    return count;
}

void session_table_each(struct session_table *t, bool (*fn)(struct session *s, void *user),
                        void *user)
{
    struct session *s, *next;
    HASH_ITER (hh, t->living, s, next) {
        if (!fn(s, user))
            return;
    }
}

static void wake(void *user)
{
    struct session *s = user;
    s->wake_planned = false;
    session_wake(s);
    session_unref(s);
}

void session_table_changed(struct session_table *t, struct session *s)
{
    if (s->wake_planned)
        return;
    s->wake_planned = true;
    loop_defer(t->loop, wake, session_ref(s));
}

static int64_t now_ms(const struct session_table *t)
{
    return world_now_ms(loop_world(t->loop));
}

static void drop(struct session_table *t, struct tombstone *tomb)
{
    HASH_DEL(t->ended, tomb);
    tombstone_free(&tomb);
}

const struct tombstone *session_table_tombstone(struct session_table *t, const char *id)
{
    struct tombstone *tomb;
    HASH_FIND_STR(t->ended, id, tomb);
    if (tomb && tomb->until_ms <= now_ms(t)) {
        drop(t, tomb);
        tomb = NULL;
    }
    return tomb;
}

void session_table_remember(struct session_table *t, struct tombstone *tomb)
{
    session_table_forget(t, tomb->id);
    while (HASH_COUNT(t->ended) >= t->tombstones_max)
        drop(t, t->ended); /* uthash keeps the order of insertion */
    /* Another site's are asked for again soon: it may begin there anew without us. A large one is
     * read from the store again rather than kept. */
    bool short_lived = *tomb->site || json_text_len(tomb->let_go) > LET_GO_KEPT_MAX;
    tomb->until_ms = now_ms(t) + (short_lived ? SHORT_TOMBSTONE_MS : t->tombstone_ms);
    tomb->checked_ms = now_ms(t);
    HASH_ADD_STR(t->ended, id, tomb);
}

static int64_t ended_ms(const struct tombstone *tomb)
{
    int64_t at = 0;
    return kube_time_parse(json_get_text(tomb->view, "ended_at", ""), &at) ? at : 0;
}

void session_table_hear(struct session_table *t, struct tombstone *tomb)
{
    const struct tombstone *known = session_table_tombstone(t, tomb->id);
    bool is_old =
        known && strcmp(known->epoch, tomb->epoch) != 0 && ended_ms(known) > ended_ms(tomb);
    if (is_old)
        tombstone_free(&tomb);
    else
        session_table_remember(t, tomb);
}

bool session_table_must_check(struct session_table *t, const char *id)
{
    struct tombstone *tomb;
    HASH_FIND_STR(t->ended, id, tomb);
    if (!tomb || now_ms(t) - tomb->checked_ms < CHECK_MS)
        return false;
    tomb->checked_ms = now_ms(t);
    return true;
}

void session_table_forget(struct session_table *t, const char *id)
{
    struct tombstone *tomb;
    HASH_FIND_STR(t->ended, id, tomb);
    if (tomb)
        drop(t, tomb);
}

size_t session_table_tombstone_count(const struct session_table *t)
{
    return HASH_COUNT(t->ended);
}

void session_table_each_tombstone(struct session_table *t,
                                  bool (*fn)(const struct tombstone *tomb, void *user), void *user)
{
    for (struct tombstone *tomb = t->ended; tomb; tomb = tomb->hh.next) {
        if (!fn(tomb, user))
            return;
    }
}
