#include "gateway/internal_api.h"

#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "gateway/ending.h"
#include "gateway/locate.h"
#include "gateway/placement.h"
#include "gateway/request.h"
#include "gateway/session_table.h"
#include "gateway/session_view.h"
#include "gateway/watermark_view.h"

#include <stdio.h>
#include <stdlib.h>

#define NEEDS          (REQUEST_SITE | REQUEST_READY)
#define PLACE_WAIT_MS  8000
#define LIST_MAX       1000
#define VERSION_DIGITS 16

/* -- capacity -- */

struct count {
    const char *origin;
    int64_t sessions;
};

static bool count_theirs(struct session *s, void *user)
{
    struct count *c = user;
    c->sessions += !session_is_remote(s) && strcmp(s->spec.origin, c->origin) == 0;
    return true;
}

void internal_api_capacity(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct gateway *g = user;
    struct request *r = request_open(g, x, m, (struct slice){0}, NEEDS);
    if (!r)
        return;
    struct count c = {.origin = r->hop_origin};
    session_table_each(g->sessions, count_theirs, &c);
    struct json_t *j = watermark_view_json(g);
    json_set_int(j, "sessions", c.sessions);
    request_reply_json(r, 200, j);
}

/* -- what is known of a session -- */

/* What its site has seen already need not be sent again. */
static void version_of(const struct json_t *view, char out[DIGEST_HEX])
{
    struct buf text;
    buf_init(&text, TOMBSTONE_BYTES_MAX);
    json_print(view, &text);
    digest_sha256_hex(buf_slice(&text), out);
    buf_fini(&text);
    out[VERSION_DIGITS] = '\0';
}

static struct json_t *living_json(const struct request *r, const struct session *s)
{
    char version[DIGEST_HEX];
    struct json_t *j = json_new_object();
    struct json_t *view = session_view(s, r->g->conf.site);
    version_of(view, version);
    json_set_text(j, "session_id", s->id);
    json_set_bool(j, "living", true);
    json_set_text(j, "tenant", s->tenant);
    json_set_text(j, "epoch", s->epoch);
    json_set_text(j, "fingerprint", s->fingerprint);
    json_set_text(j, "origin", s->spec.origin);
    json_set_bool(j, "again", s->spec.again);
    json_set_text(j, "version", version);
    json_set(j, "session", view);
    return j;
}

static void reply_absent(struct request *r)
{
    request_problemf(r, ERR_SESSION_NOT_FOUND, "there is no session '%s'", r->id);
}

static void get_located(struct request *r, const struct located *where);

static void get_again(struct request *r)
{
    if (session_is_over(r->s))
        request_locate_any(r, get_located); /* it left its tombstone */
    else
        get_located(r, &(struct located){.kind = LOCATE_LIVING, .session = r->s});
}

static void get_living(struct request *r, struct session *s)
{
    char seen[DIGEST_HEX] = "";
    int bad = 0;
    struct json_t *j = living_json(r, s);
    http_query_get(http_exchange_head(r->x)->query, "seen", seen, sizeof(seen), &bad);
    bool news = strcmp(seen, json_get_text(j, "version", "")) != 0;
    if (r->wait_s == 0 || r->timed_out || news) {
        request_reply_json(r, 200, j);
        return;
    }
    json_free(j);
    r->until_ms = r->begun_ms + r->wait_s * 1000;
    request_wait(r, s, get_again);
}

static void get_located(struct request *r, const struct located *where)
{
    if (where->kind == LOCATE_LIVING && !session_is_remote(where->session))
        get_living(r, where->session);
    else if (where->kind == LOCATE_ENDED && !*where->tombstone->site)
        request_reply_json(r, 200,
                           json_build("{s:s,s:b,s:O}", "session_id", r->id, "living", 0,
                                      "tombstone", where->tombstone->json));
    else if (where->kind == LOCATE_FOREIGN)
        request_reply_json(
            r, 200, json_build("{s:s,s:b,s:b}", "session_id", r->id, "living", 0, "foreign", 1));
    else
        reply_absent(r);
}

static void get_fresh(struct request *r)
{
    get_again(r);
}

static void get_first(struct request *r, const struct located *where)
{
    if (where->kind == LOCATE_LIVING && !session_is_remote(where->session))
        request_fresh(r, where->session, get_fresh);
    else
        get_located(r, where);
}

void internal_api_get(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct gateway *g = user;
    struct request *r = request_open(g, x, m, m->params[0], NEEDS | REQUEST_TENANT);
    struct err err;
    bool begins = false;
    if (!r)
        return;
    struct slice query = http_exchange_head(x)->query;
    if (http_query_int(query, "wait", 0, g->conf.limits.wait_max_ms / 1000, &r->wait_s, &err) < 0 ||
        http_query_bool(query, "begins", &begins, &err) < 0)
        request_problem(r, &err);
    else if (begins)
        request_locate_for_beginner(r, get_first);
    else
        request_locate_any(r, get_first);
}

/* -- create -- */

static void reply_created(struct request *r, bool created)
{
    request_reply_json(r, created ? 201 : 200, living_json(r, r->s));
}

static void wait_placed(struct request *r)
{
    struct session *s = r->s;
    if (s->failure)
        request_problem(r, s->failure);
    else if (session_state(s) != SESSION_PENDING)
        reply_created(r, r->placed && placement_was_created(s));
    else if (r->timed_out)
        request_problemf(r, ERR_UNAVAILABLE, "the cluster did not answer in time");
    else
        request_wait(r, s, wait_placed);
}

/* The same incarnation, or an earlier one of the same request whose record its site lost. */
static void create_again(struct request *r, struct session *s)
{
    const struct session_origin *o = &r->create->origin;
    bool same = strcmp(s->epoch, o->epoch) == 0 || strcmp(s->fingerprint, o->fingerprint) == 0;
    if (!same) {
        request_problemf(r, ERR_SESSION_CONFLICT,
                         "the session '%s' exists and was made by another request", r->id);
    } else if (session_state(s) == SESSION_STOPPING || s->pod_deleting) {
        request_problemf(r, ERR_SESSION_STOPPING, "the session '%s' is still stopping", r->id);
    } else {
        r->until_ms = r->begun_ms + PLACE_WAIT_MS;
        request_wait(r, s, wait_placed);
        session_table_changed(r->g->sessions, s);
    }
}

static void create_located(struct request *r, const struct located *where)
{
    struct err err;
    if (where->kind == LOCATE_FOREIGN) {
        request_problemf(r, ERR_SESSION_CONFLICT, "the id is in use");
        return;
    }
    if (where->kind == LOCATE_LIVING) {
        create_again(r, where->session);
        return;
    }
    r->create->spec.again = r->create->origin.again || where->kind == LOCATE_ENDED || where->past;
    struct session *s = placement_start(r->g, r->id, r->tenant, r->create, false, &err);
    if (!s) {
        request_problem(r, &err);
        return;
    }
    locate_forget_miss(r->g, r->id);
    r->placed = true;
    r->until_ms = r->begun_ms + PLACE_WAIT_MS;
    request_wait(r, s, wait_placed);
}

static bool copy_text(char *out, size_t size, const struct json_t *j, const char *key)
{
    const char *text = json_get_text(j, key, NULL);
    if (!text || !*text || strlen(text) >= size)
        return false;
    snprintf(out, size, "%s", text);
    return true;
}

static int read_origin(struct request *r, const struct json_t *j, struct session_origin *o,
                       struct err *err)
{
    int64_t expire_at = json_int(json_get(j, "expire_at_ms"), 0);
    int64_t sent_at = json_int(json_get(j, "sent_at_ms"), 0);
    snprintf(o->site, sizeof(o->site), "%s", r->hop_origin);
    o->again = json_true(json_get(j, "again"));
    /* Two times of one clock, which need not be ours. */
    o->left_ms = expire_at - sent_at;
    if (!copy_text(o->epoch, sizeof(o->epoch), j, "epoch") ||
        !copy_text(o->fingerprint, sizeof(o->fingerprint), j, "fingerprint") ||
        !copy_text(o->reason, sizeof(o->reason), j, "reason") || sent_at < 1 || o->left_ms < 1)
        return err_set(err, ERR_INVALID_ARGUMENT,
                       "epoch, fingerprint, reason, expire_at_ms and sent_at_ms are needed");
    return 0;
}

static int read_create(struct request *r, struct err *err)
{
    const struct session_request_defaults defaults = {
        .environments = r->g->environments,
        .environment = r->g->conf.default_environment,
        .runtime_class = r->g->conf.runtime_class,
        .cleanup = SESSION_CLEANUP_COMPLETION,
        .limits = &r->g->conf.limits,
    };
    struct session_origin origin;
    memset(&origin, 0, sizeof(origin));
    struct buf text;
    struct json_t *j = json_parse_object(buf_slice(&r->body), err);
    if (!j)
        return -ERR_BAD_JSON;
    buf_init(&text, r->body.max);
    int rc = read_origin(r, j, &origin, err);
    if (rc == 0 && !json_is_object(json_get(j, "request")))
        rc = err_set(err, ERR_INVALID_ARGUMENT, "request is needed");
    if (rc == 0) {
        json_print(json_get(j, "request"), &text);
        rc = request_read_create(r, buf_slice(&text), &defaults, err);
    }
    buf_fini(&text);
    json_free(j);
    if (rc == 0) {
        r->create->origin = origin;
        snprintf(r->create->placement, sizeof(r->create->placement), "local");
    }
    return rc;
}

static void create_collected(struct request *r)
{
    struct err err;
    if (read_create(r, &err) < 0)
        request_problem(r, &err);
    else
        request_locate_dead(r, create_located);
}

void internal_api_create(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct gateway *g = user;
    struct request *r = request_open(g, x, m, m->params[0], NEEDS | REQUEST_TENANT);
    if (r) /* the client's body, and what its site adds */
        request_collect(r, (size_t)g->conf.limits.create_body_bytes + 4096, create_collected);
}

/* -- delete -- */

static void reply_ended(struct request *r, int status, const char *word)
{
    request_reply_json(r, status, json_build("{s:s,s:s}", "session_id", r->id, "status", word));
}

static void delete_wait(struct request *r);

/* Its site does not know whether somebody found it meanwhile: what ran in it says that. */
static void delete_unused(struct request *r, struct session *s)
{
    if (s->activity.executions > 0 || *s->last_execution) {
        request_problemf(r, ERR_BUSY, "the session '%s' is in use", r->id);
    } else {
        ending_start(r->g, s, ENDING_UNUSED);
        reply_ended(r, 202, "stopping");
    }
}

static void delete_living(struct request *r, struct session *s)
{
    struct slice epoch = http_head_get(http_exchange_head(r->x), "Spillway-Epoch");
    if (epoch.at && !slice_eq(epoch, s->epoch)) {
        reply_absent(r); /* that incarnation is gone; this one is another's business */
    } else if (session_state(s) == SESSION_PENDING && !r->timed_out) {
        r->until_ms = r->begun_ms + PLACE_WAIT_MS;
        request_wait(r, s, delete_wait);
    } else if (session_state(s) == SESSION_PENDING) {
        request_problemf(r, ERR_UNAVAILABLE, "the cluster did not answer in time");
    } else if (session_is_over(s)) {
        reply_ended(r, 200, session_state_word(session_state(s)));
    } else if (r->unused) {
        delete_unused(r, s);
    } else {
        ending_start(r->g, s, ENDING_DELETED);
        reply_ended(r, 202, "stopping");
    }
}

static void delete_wait(struct request *r)
{
    delete_living(r, r->s);
}

static void delete_located(struct request *r, const struct located *where)
{
    if (where->kind == LOCATE_LIVING && !session_is_remote(where->session))
        delete_living(r, where->session);
    else if (where->kind == LOCATE_ENDED)
        reply_ended(r, 200, json_get_text(where->tombstone->view, "status", "stopped"));
    else
        reply_absent(r);
}

void internal_api_delete(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct gateway *g = user;
    struct request *r = request_open(g, x, m, m->params[0], NEEDS | REQUEST_TENANT);
    struct err err;
    if (!r)
        return;
    if (http_query_bool(http_exchange_head(x)->query, "unused", &r->unused, &err) < 0) {
        request_problem(r, &err);
        return;
    }
    struct slice epoch = http_head_get(http_exchange_head(x), "Spillway-Epoch");
    struct session *s = session_table_get(g->sessions, r->id);
    if (s && !session_is_remote(s) && epoch.len > 0 && slice_eq(epoch, s->epoch)) {
        r->s = session_ref(s); /* who knows the epoch need not say whose it is */
        delete_living(r, s);
    } else if (*r->hop_tenant) {
        request_locate_any(r, delete_located);
    } else {
        reply_absent(r);
    }
}

/* -- list -- */

/* A living session, or an ended one. */
struct found {
    const char *id;
    const struct session *s;
    const struct tombstone *t;
};

struct listing {
    const struct request *r;
    const char *tenant, *after, *status;
    struct found *found;
    size_t count, room;
};

static void list(struct listing *l, struct found one)
{
    if (l->count == l->room) {
        l->room = l->room ? 2 * l->room : 64;
        l->found = mem_resize(l->found, l->room * sizeof(*l->found));
    }
    l->found[l->count++] = one;
}

static bool is_asked_for(const struct listing *l, const char *origin, const char *tenant,
                         const char *id)
{
    return strcmp(origin, l->r->hop_origin) == 0 &&
           (!*l->tenant || strcmp(tenant, l->tenant) == 0) && strcmp(id, l->after) > 0;
}

static bool list_theirs(struct session *s, void *user)
{
    struct listing *l = user;
    const char *status = session_state_word(session_state_listed(s));
    if (!session_is_remote(s) && is_asked_for(l, s->spec.origin, s->tenant, s->id) &&
        (!*l->status || strcmp(status, l->status) == 0))
        list(l, (struct found){.id = s->id, .s = s});
    return true;
}

/* Only by their status. */
static bool list_ended(const struct tombstone *t, void *user)
{
    struct listing *l = user;
    if (!*t->site && is_asked_for(l, t->origin, t->tenant, t->id) &&
        strcmp(json_get_text(t->view, "status", ""), l->status) == 0)
        list(l, (struct found){.id = t->id, .t = t});
    return true;
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct found *)a)->id, ((const struct found *)b)->id);
}

static struct json_t *print_found(const struct listing *l, const struct found *one)
{
    if (one->t)
        return json_build("{s:s,s:b,s:O}", "session_id", one->id, "living", 0, "session",
                          one->t->view);
    struct json_t *item = living_json(l->r, one->s);
    json_set_text(json_get(item, "session"), "status",
                  session_state_word(session_state_listed(one->s)));
    return item;
}

static struct json_t *print_list(struct listing *l, size_t limit)
{
    struct json_t *items = json_new_array();
    if (l->count > 0)
        qsort(l->found, l->count, sizeof(*l->found), by_id);
    for (size_t i = 0; i < l->count && i < limit; i++)
        json_add(items, print_found(l, &l->found[i]));
    return json_build("{s:o,s:b}", "items", items, "more", l->count > limit);
}

void internal_api_list(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct gateway *g = user;
    struct request *r = request_open(g, x, m, (struct slice){0}, NEEDS);
    struct err err;
    char after[SESSION_ID_SIZE] = "", status[16] = "";
    int64_t limit = LIST_MAX;
    int bad = 0;
    if (!r)
        return;
    struct slice query = http_exchange_head(x)->query;
    if (http_query_int(query, "limit", 1, LIST_MAX, &limit, &err) < 0) {
        request_problem(r, &err);
        return;
    }
    http_query_get(query, "after", after, sizeof(after), &bad);
    http_query_get(query, "status", status, sizeof(status), &bad);
    struct listing l = {.r = r, .tenant = r->tenant, .after = after, .status = status};
    session_table_each(g->sessions, list_theirs, &l);
    session_table_each_tombstone(g->sessions, list_ended, &l);
    struct json_t *j = print_list(&l, (size_t)limit);
    free(l.found);
    request_reply_json(r, 200, j);
}
