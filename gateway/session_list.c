/* session_list.c - GET /api/v1/sessions: the living ones of here and of other sites, and the ended
 * ones for those who ask for them by status. */
#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "gateway/request.h"
#include "gateway/session_table.h"
#include "gateway/session_view.h"
#include "gateway/sessions_api.h"
#include "router/remote.h"

#include <stdio.h>
#include <stdlib.h>

#define LIST_DEFAULT 100
#define LIST_MAX     1000
#define LIST_BYTES   ((size_t)1024 * 1024) /* a page ends behind the item that goes beyond */
#define SITE_MS      3000
#define SITE_BYTES   ((size_t)4 * 1024 * 1024)

struct item {
    const char *id; /* in the view */
    struct json_t *view;
    bool old; /* we know more of that id: counted, so that no page ends too early, and not shown */
};

/* Lives until the last site has answered, whatever becomes of the client. */
struct listing {
    struct request *r;
    bool by_state;
    enum session_state state;
    char after[SESSION_ID_SIZE];
    char site[SESSION_ID_SIZE]; /* "": all */
    int64_t limit;
    struct item *items;
    size_t count, room;
    size_t waiting;
    bool more; /* a site has more than it was asked for */
    struct json_t *incomplete;
};

/* One site's part of it. */
struct part {
    struct listing *l;
    struct remote *remote;
};

/* -- what there is -- */

/* Takes the view. */
static void add_item(struct listing *l, struct json_t *view, bool old)
{
    if (l->count == l->room) {
        l->room = l->room ? 2 * l->room : 64;
        l->items = mem_resize(l->items, l->room * sizeof(*l->items));
    }
    l->items[l->count++] = (struct item){json_get_text(view, "session_id", ""), view, old};
}

static void add(struct listing *l, struct json_t *view)
{
    add_item(l, view, false);
}

static bool is_of(const struct listing *l, const char *site)
{
    return !*l->site || strcmp(l->site, site) == 0;
}

static bool asked_for(const struct listing *l, const char *tenant, const char *id)
{
    return strcmp(tenant, l->r->tenant) == 0 && strcmp(id, l->after) > 0;
}

static bool add_living(struct session *s, void *user)
{
    struct listing *l = user;
    enum session_state state = session_state_listed(s);
    if (s->remote || !asked_for(l, s->tenant, s->id) || (l->by_state && state != l->state))
        return true; /* another site tells of its own */
    struct json_t *view = session_view(s, l->r->g->conf.site);
    json_set_text(view, "status", session_state_word(state));
    add(l, view);
    return true;
}

/* The ended ones are shown to those who ask for them. */
static bool add_ended(const struct tombstone *t, void *user)
{
    struct listing *l = user;
    const char *status = json_get_text(t->view, "status", "");
    if (l->by_state && strcmp(status, session_state_word(l->state)) == 0 &&
        asked_for(l, t->tenant, t->id) && is_of(l, *t->site ? t->site : l->r->g->conf.site))
        add(l, json_ref(t->view));
    return true;
}

/* What is remembered of a site that does not answer. */
static bool add_remembered(struct session *s, void *user)
{
    struct part *p = user;
    struct listing *l = p->l;
    if (s->remote && strcmp(s->site, remote_name(p->remote)) == 0 && s->view &&
        asked_for(l, s->tenant, s->id) && (!l->by_state || session_state(s) == l->state))
        add(l, json_copy(s->view));
    return true;
}

/* -- the answer -- */

static int by_id(const void *a, const void *b)
{
    const struct item *left = a, *right = b;
    int order = strcmp(left->id, right->id);
    return order ? order : left->old - right->old;
}

static size_t printed_size(const struct json_t *view)
{
    struct buf text;
    buf_init(&text, LIST_BYTES);
    json_print(view, &text);
    size_t len = text.len;
    buf_fini(&text);
    return len;
}

static struct json_t *print(struct listing *l)
{
    struct json_t *items = json_new_array();
    const char *last = NULL;
    size_t i = 0, bytes = 0, told = 0;
    if (l->count > 0)
        qsort(l->items, l->count, sizeof(*l->items), by_id);
    for (; i < l->count && told < (size_t)l->limit && bytes < LIST_BYTES; i++) {
        if (last && strcmp(last, l->items[i].id) == 0)
            continue; /* ended there, and living here by now */
        last = l->items[i].id;
        told++;
        if (l->items[i].old)
            continue;
        bytes += printed_size(l->items[i].view);
        json_add(items, json_ref(l->items[i].view));
    }
    struct json_t *j = json_new_object();
    json_set(j, "items", items);
    json_set_text(j, "continue", i < l->count || (l->more && last) ? last : NULL);
    if (json_count(l->incomplete) > 0)
        json_set(j, "incomplete", json_ref(l->incomplete));
    return j;
}

static void finish(struct listing *l)
{
    request_reply_json(l->r, 200, print(l));
    for (size_t i = 0; i < l->count; i++)
        json_free(l->items[i].view);
    json_free(l->incomplete);
    free(l->items);
    free(l);
}

/* Of an id that ended there, and lives here now or has an end that is known here, we know more. */
static bool is_old(const struct listing *l, const char *id, bool living)
{
    struct session_table *known = l->r->g->sessions;
    const struct session *s = session_table_get(known, id);
    return !living && ((s && !session_is_remote(s)) || session_table_tombstone(known, id));
}

static bool take_site(struct listing *l, const struct remote_result *result)
{
    struct err bad;
    struct json_t *j = result->status == 200 ? json_parse_object(result->body, &bad) : NULL;
    struct json_t *items = json_get(j, "items");
    bool good = items != NULL;
    for (size_t i = 0; i < json_count(items); i++) {
        const struct json_t *item = json_item(items, i);
        struct json_t *view = json_get(item, "session");
        const char *id = json_get_text(view, "session_id", NULL);
        if (id)
            add_item(l, json_ref(view), is_old(l, id, json_true(json_get(item, "living"))));
    }
    l->more |= json_true(json_get(j, "more"));
    json_free(j);
    return good;
}

static void on_site(const struct remote_result *result, void *user)
{
    struct part *p = user;
    struct listing *l = p->l;
    if (!take_site(l, result)) {
        json_add(l->incomplete, json_new_text(remote_name(p->remote)));
        session_table_each(l->r->g->sessions, add_remembered, p);
    }
    free(p);
    if (--l->waiting == 0)
        finish(l);
}

static void ask(struct listing *l, struct remote *remote)
{
    char target[256];
    struct part *p = mem_alloc(sizeof(*p));
    *p = (struct part){l, remote};
    snprintf(target, sizeof(target), "/internal/v1/sessions?limit=%lld&after=%s&status=%s",
             (long long)l->limit, l->after, l->by_state ? session_state_word(l->state) : "");
    const struct remote_request req = {.operation = "list",
                                       .method = "GET",
                                       .target = target,
                                       .tenant = l->r->tenant,
                                       .request_id = http_exchange_request_id(l->r->x),
                                       .total_ms = SITE_MS,
                                       .reply_max = SITE_BYTES};
    l->waiting++;
    struct remote_call *call = remote_call_start(remote, &req, on_site, p);
    (void)call; /* ends by its own deadline */
}

/* -- the question -- */

static int read_query(struct listing *l, struct err *err)
{
    struct slice query = http_exchange_head(l->r->x)->query;
    char word[16];
    int bad = 0;
    l->limit = LIST_DEFAULT;
    int rc = http_query_int(query, "limit", 1, LIST_MAX, &l->limit, err);
    if (rc < 0)
        return rc;
    l->by_state = http_query_get(query, "status", word, sizeof(word), &bad);
    if (bad || (l->by_state && !session_state_from_word(word, &l->state)))
        return err_set(err, ERR_INVALID_ARGUMENT, "status is none that a session can have");
    if (http_query_get(query, "continue", l->after, sizeof(l->after), &bad) &&
        !session_id_is_label(slice_of(l->after)))
        bad = -1;
    if (bad)
        return err_set(err, ERR_INVALID_ARGUMENT, "continue is not a token of this list");
    if (!http_query_get(query, "site", l->site, sizeof(l->site), &bad) && bad)
        return err_set(err, ERR_INVALID_ARGUMENT, "site is not the name of a site");
    return 0;
}

static void gather(struct listing *l)
{
    struct gateway *g = l->r->g;
    if (is_of(l, g->conf.site))
        session_table_each(g->sessions, add_living, l);
    session_table_each_tombstone(g->sessions, add_ended, l);
    for (size_t i = 0; i < remotes_count(g->remotes) && !l->r->hop; i++) {
        if (is_of(l, remote_name(remotes_at(g->remotes, i))))
            ask(l, remotes_at(g->remotes, i));
    }
    if (l->waiting == 0)
        finish(l);
}

void sessions_api_list(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct request *r = request_open(user, x, m, (struct slice){0}, REQUEST_TENANT | REQUEST_READY);
    struct err err;
    if (!r)
        return;
    struct listing *l = mem_alloc(sizeof(*l));
    l->r = r;
    if (read_query(l, &err) < 0) {
        free(l);
        request_problem(r, &err);
        return;
    }
    l->incomplete = json_new_array();
    gather(l);
}
