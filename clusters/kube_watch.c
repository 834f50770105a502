#include "clusters/kube_watch.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/world.h"
#include "clusters/kube_client.h"
#include "clusters/kube_known.h"
#include "clusters/kube_object.h"
#include "clusters/kube_transport.h"
#include "clusters/line_splitter.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_ITEMS     500
#define PAGE_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define LINE_BYTES_MAX                                                                             \
    ((size_t)4 * 1024 * 1024) /* an object may have 1.5 MB, and JSON in it doubles */
#define LIST_MS  60000
#define CHECK_MS 5000
#define IDLE_MS  60000
#define WATCH_MIN_S                                                                                \
    300 /* the server ends it after a random time, so that gateways spread over API servers */
#define WATCH_GRACE_MS   30000
#define QUICK_MIN_MS     50
#define QUICK_SPREAD_MS  51
#define BACKOFF_FIRST_MS 800
#define BACKOFF_MAX_MS   30000
#define RETRY_AFTER_MAX  60
#define SHORT_WATCH_MS   1000
#define RELIST_MS                                                                                  \
    ((int64_t)30 * 60 * 1000) /* a watch can lose events in silence; a list cannot                 \
                               */
#define PATH_MAX_BYTES 16384

/* CHECKING asks the server for one object: a watch of a quiet resource says nothing for a minute,
 * so after a failure it cannot tell a server that is back from one that takes connections and is
 * silent. */
#define KUBE_WATCH_STATES(X)                                                                       \
    X(KUBE_WATCH, IDLE, FSM_TO(KUBE_WATCH_LISTING))                                                \
    X(KUBE_WATCH, LISTING, FSM_TO(KUBE_WATCH_WATCHING) | FSM_TO(KUBE_WATCH_BACKOFF))               \
    X(KUBE_WATCH, CHECKING,                                                                        \
      FSM_TO(KUBE_WATCH_WATCHING) | FSM_TO(KUBE_WATCH_LISTING) | FSM_TO(KUBE_WATCH_BACKOFF))       \
    X(KUBE_WATCH, WATCHING, FSM_TO(KUBE_WATCH_BACKOFF))                                            \
    X(KUBE_WATCH, BACKOFF,                                                                         \
      FSM_TO(KUBE_WATCH_LISTING) | FSM_TO(KUBE_WATCH_CHECKING) | FSM_TO(KUBE_WATCH_WATCHING))

enum kube_watch_state { KUBE_WATCH_STATES(FSM_ENUM) };

static const struct fsm_state STATES[] = {KUBE_WATCH_STATES(FSM_STATE)};
const struct fsm_table KUBE_WATCH_FSM = {"kube_watch", STATES, ARRAY_LEN(STATES)};

struct kube_watch {
    struct kube_client *client;
    struct world *world;
    struct kube_watch_events events;
    void *user;
    char *path;
    char *selector; /* NULL-able */
    int64_t idle_ms;

    struct fsm fsm;
    enum kube_watch_state next; /* where the timer goes */
    struct timer *timer;
    struct timer *hangup; /* ends `call` on the next turn: not from within its own callback */
    struct http_call *call;
    struct line_splitter lines;
    struct kube_known *known;
    char *version;
    char *page;   /* continue token of the list that is under way */
    int failures; /* since something was seen to work */
    int relists;  /* likewise, those that the server asked for by 410 */
    bool synced;
    int64_t last_event_ms;
    int64_t began_ms; /* this watch */
    int64_t list_due_ms;
    bool shown; /* this watch has shown something */
    char error[200];
};

/* -- moving on -- */

static void go(struct kube_watch *w, enum kube_watch_state next, int64_t after_ms)
{
    w->next = next;
    timer_start(w->world, w->timer, after_ms, 0);
}

static void hang_up(void *user)
{
    struct kube_watch *w = user;

    if (w->call)
        http_call_cancel(&w->call);
    w->call = NULL;
}

static void pause_then(struct kube_watch *w, enum kube_watch_state next, int64_t after_ms)
{
    fsm_move(&w->fsm, KUBE_WATCH_BACKOFF);
    free(w->page);
    w->page = NULL;
    if (w->call)
        timer_start(w->world, w->hangup, 0, 0);
    go(w, next, after_ms);
}

static int64_t quick_ms(struct kube_watch *w)
{
    return QUICK_MIN_MS + (int64_t)world_random_below(w->world, QUICK_SPREAD_MS);
}

static int64_t backoff_ms(struct kube_watch *w)
{
    int64_t base = BACKOFF_FIRST_MS;

    for (int i = 1; i < w->failures && base < BACKOFF_MAX_MS; i++)
        base *= 2;
    if (base > BACKOFF_MAX_MS)
        base = BACKOFF_MAX_MS;
    return base + (int64_t)world_random_below(w->world, (uint64_t)base);
}

static void fail(struct kube_watch *w, enum kube_watch_state next, int64_t retry_after_s,
                 const char *fmt, ...) PRINTF_LIKE(4, 5);
static void fail(struct kube_watch *w, enum kube_watch_state next, int64_t retry_after_s,
                 const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(w->error, sizeof(w->error), fmt, args);
    va_end(args);
    w->failures++;
    if (retry_after_s > RETRY_AFTER_MAX)
        retry_after_s = RETRY_AFTER_MAX;
    int64_t after = backoff_ms(w);
    if (after < retry_after_s * 1000)
        after = retry_after_s * 1000;
    pause_then(w, w->synced ? next : KUBE_WATCH_LISTING, after);
}

static void worked(struct kube_watch *w)
{
    w->failures = 0;
    w->relists = 0;
    w->error[0] = '\0';
}

/* 410: what we know is too old to go on from. Once at once; a server that says it again and again
 * is one that fails. */
static void expired(struct kube_watch *w)
{
    if (w->relists++ > 0)
        fail(w, KUBE_WATCH_LISTING, 0, "410: the version is too old, again");
    else
        pause_then(w, KUBE_WATCH_LISTING, quick_ms(w));
}

/* An answer that is none or not 2xx. */
static void refused(struct kube_watch *w, const struct http_call_result *r)
{
    bool ours = r->status == 400 || r->status == 404 || r->status == 422;

    if (r->err) {
        fail(w, KUBE_WATCH_CHECKING, 0, "%.180s", r->err->msg);
        return;
    }
    if (r->status == 401)
        kube_transport_distrust_token(kube_client_transport(w->client));
    fail(w, ours ? KUBE_WATCH_LISTING : KUBE_WATCH_CHECKING, r->retry_after_s, "status %d: %.*s",
         r->status, (int)(r->body.len < 120 ? r->body.len : 120), r->body.len ? r->body.at : "");
}

static bool is_good(const struct http_call_result *r)
{
    return !r->err && r->status >= 200 && r->status < 300;
}

static void set_version(struct kube_watch *w, const char *version)
{
    if (version[0] == '\0')
        return;
    free(w->version);
    w->version = mem_text(version);
}

/* -- objects -- */

static struct kube_identity identity_of(const struct json_t *object)
{
    struct json_t *m = json_get(object, "metadata");

    return (struct kube_identity){json_get_text(m, "namespace", ""), json_get_text(m, "name", ""),
                                  json_get_text(m, "uid", ""),
                                  json_get_text(m, "resourceVersion", "")};
}

static void tell_gone(const struct kube_identity *gone, void *user)
{
    struct kube_watch *w = user;
    struct json_t *object = json_build("{s:{s:s,s:s,s:s}}", "metadata", "name", gone->name,
                                       "namespace", gone->namespace_name, "uid", gone->uid);

    w->events.on_event(KUBE_DELETED, object, w->user);
    json_free(object);
}

static void show(struct kube_watch *w, const struct json_t *object)
{
    struct kube_identity id = identity_of(object);

    if (id.name[0] == '\0')
        return;
    enum kube_known_change change = kube_known_put(w->known, &id, tell_gone, w);
    if (change != KUBE_KNOWN_SAME)
        w->events.on_event(change == KUBE_KNOWN_NEW ? KUBE_ADDED : KUBE_MODIFIED, object, w->user);
}

/* -- the list -- */

static void add_selector(struct kube_watch *w, struct buf *path)
{
    if (!w->selector)
        return;
    buf_add_text(path, "&labelSelector=");
    kube_transport_escape(path, w->selector);
}

static void ask(struct kube_watch *w, struct kube_transport_request *req, struct buf *path,
                http_call_done_f *done)
{
    struct err err = {0};

    add_selector(w, path);
    req->method = "GET";
    req->path = buf_text(path);
    int rc =
        path->overflowed
            ? err_set(&err, ERR_KUBERNETES, "a path above %d bytes", PATH_MAX_BYTES)
            : kube_transport_start(kube_client_transport(w->client), req, done, w, &w->call, &err);
    if (rc < 0) {
        w->call = NULL;
        fail(w, KUBE_WATCH_CHECKING, 0, "%.180s", err.msg);
    }
    buf_fini(path);
}

static void list_complete(struct kube_watch *w, const struct json_t *list)
{
    int64_t spread = (int64_t)world_random_below(w->world, (uint64_t)RELIST_MS / 4);

    set_version(w, json_get_text(json_get(list, "metadata"), "resourceVersion", ""));
    kube_known_end_list(w->known, tell_gone, w);
    w->list_due_ms = world_now_ms(w->world) + RELIST_MS - spread;
    w->synced = true;
    w->events.on_synced(w->user);
    go(w, KUBE_WATCH_WATCHING, 0);
}

static void take_page(struct kube_watch *w, const struct json_t *list)
{
    struct json_t *items = json_get(list, "items");
    const char *page = json_get_text(json_get(list, "metadata"), "continue", "");

    for (size_t i = 0; i < json_count(items); i++)
        show(w, json_item(items, i));
    free(w->page);
    w->page = page[0] != '\0' ? mem_text(page) : NULL;
    if (w->page)
        go(w, KUBE_WATCH_LISTING, 0);
    else
        list_complete(w, list);
}

static void on_listed(struct http_call *c, const struct http_call_result *r, void *user)
{
    struct kube_watch *w = user;
    struct err err = {0};

    (void)c;
    w->call = NULL;
    if (w->fsm.state != KUBE_WATCH_LISTING)
        return;
    w->last_event_ms = world_now_ms(w->world);
    if (!r->err && r->status == 410) { /* the continue token: begin again */
        expired(w);
        return;
    }
    if (!is_good(r)) {
        refused(w, r);
        return;
    }
    struct json_t *list = json_parse_object(r->body, &err);
    if (!list)
        fail(w, KUBE_WATCH_LISTING, 0, "a list that cannot be read: %.120s", err.msg);
    else if (json_get_text(json_get(list, "metadata"), "resourceVersion", "")[0] == '\0')
        fail(w, KUBE_WATCH_LISTING, 0, "a list without resourceVersion");
    else
        take_page(w, list);
    json_free(list);
}

static void step_LISTING(struct kube_watch *w)
{
    struct kube_transport_request req = {.total_ms = LIST_MS, .reply_max = PAGE_BYTES_MAX};
    struct buf path;

    buf_init(&path, PATH_MAX_BYTES);
    buf_addf(&path, "%s?limit=%d", w->path, PAGE_ITEMS);
    if (w->page) {
        buf_add_text(&path, "&continue=");
        kube_transport_escape(&path, w->page);
    } else {
        kube_known_begin_list(w->known);
    }
    ask(w, &req, &path, on_listed);
}

/* -- the check -- */

static void on_checked(struct http_call *c, const struct http_call_result *r, void *user)
{
    struct kube_watch *w = user;

    (void)c;
    w->call = NULL;
    if (w->fsm.state != KUBE_WATCH_CHECKING)
        return;
    if (!is_good(r)) {
        refused(w, r);
        return;
    }
    w->last_event_ms = world_now_ms(w->world);
    struct json_t *list = json_parse_object(r->body, NULL);
    const char *now = json_get_text(json_get(list, "metadata"), "resourceVersion", "");
    /* An older version than ours: the server has lost its history, and what we know may never have
     * been. */
    bool rewound = kube_version_older(now, w->version);
    go(w, rewound || now[0] == '\0' ? KUBE_WATCH_LISTING : KUBE_WATCH_WATCHING, 0);
    json_free(list);
}

static void step_CHECKING(struct kube_watch *w)
{
    struct kube_transport_request req = {.total_ms = CHECK_MS, .reply_max = PAGE_BYTES_MAX};
    struct buf path;

    buf_init(&path, PATH_MAX_BYTES);
    buf_addf(&path, "%s?limit=1", w->path);
    ask(w, &req, &path, on_checked);
}

/* -- the watch -- */

static void take_error(struct kube_watch *w, const struct json_t *status)
{
    int64_t code = json_int(json_get(status, "code"), 0);

    if (code == 410) {
        expired(w);
        return;
    }
    fail(w, KUBE_WATCH_CHECKING, json_int(json_at(status, "details", "retryAfterSeconds", NULL), 0),
         "the watch ended with %" PRId64 ": %.120s", code, json_get_text(status, "message", ""));
}

static void take_change(struct kube_watch *w, const char *type, const struct json_t *object)
{
    struct kube_identity id = identity_of(object);

    set_version(w, id.version);
    if (strcmp(type, "DELETED") == 0) {
        kube_known_remove(w->known, &id);
        w->events.on_event(KUBE_DELETED, object, w->user);
    } else if (strcmp(type, "ADDED") == 0 || strcmp(type, "MODIFIED") == 0) {
        show(w, object);
    } /* BOOKMARK: the version was all of it */
}

static bool on_line(struct slice line, void *user)
{
    struct kube_watch *w = user;
    struct json_t *event = json_parse_object(line, NULL);
    const char *type = json_get_text(event, "type", "");
    struct json_t *object = json_get(event, "object");

    if (type[0] == '\0' || !json_is_object(object)) {
        /* An event is lost, and nobody knows which. */
        fail(w, KUBE_WATCH_LISTING, 0, "a watch event that cannot be read");
    } else if (strcmp(type, "ERROR") == 0) {
        take_error(w, object);
    } else {
        worked(w);
        w->shown = true;
        take_change(w, type, object);
    }
    json_free(event);
    return w->fsm.state == KUBE_WATCH_WATCHING;
}

static void on_piece(struct http_call *c, struct slice piece, void *user)
{
    struct kube_watch *w = user;

    (void)c;
    if (w->fsm.state != KUBE_WATCH_WATCHING)
        return;
    w->last_event_ms = world_now_ms(w->world);
    if (line_splitter_feed(&w->lines, piece, on_line, w) == LINE_SPLITTER_TOO_LONG)
        fail(w, KUBE_WATCH_LISTING, 0, "a watch event above %zu bytes", LINE_BYTES_MAX);
}

static void take_orderly_end(struct kube_watch *w)
{
    int64_t now = world_now_ms(w->world);

    if (!w->shown && now - w->began_ms < SHORT_WATCH_MS) {
        fail(w, KUBE_WATCH_CHECKING, 0, "the watch ended at once");
        return;
    }
    worked(w);
    pause_then(w, now >= w->list_due_ms ? KUBE_WATCH_LISTING : KUBE_WATCH_WATCHING, quick_ms(w));
}

/* It stood for as long as the limit allows: no failure before a check fails. */
static void take_silence(struct kube_watch *w)
{
    worked(w);
    pause_then(w, KUBE_WATCH_CHECKING, quick_ms(w));
}

static void on_watch_ended(struct http_call *c, const struct http_call_result *r, void *user)
{
    struct kube_watch *w = user;

    (void)c;
    w->call = NULL;
    if (w->fsm.state != KUBE_WATCH_WATCHING)
        return;
    if (is_good(r))
        take_orderly_end(w);
    else if (r->err && r->err->code == ERR_DEADLINE)
        take_silence(w);
    else if (!r->err && r->status == 410)
        expired(w);
    else
        refused(w, r);
}

static void step_WATCHING(struct kube_watch *w)
{
    int64_t seconds = WATCH_MIN_S + (int64_t)world_random_below(w->world, WATCH_MIN_S);
    struct kube_transport_request req = {.total_ms = seconds * 1000 + WATCH_GRACE_MS,
                                         .idle_ms = w->idle_ms,
                                         .reply_max = PATH_MAX_BYTES, /* of an error */
                                         .on_data = on_piece};
    struct buf path;

    line_splitter_clear(&w->lines);
    w->shown = false;
    w->began_ms = world_now_ms(w->world);
    buf_init(&path, PATH_MAX_BYTES);
    buf_addf(&path, "%s?watch=1&allowWatchBookmarks=true&timeoutSeconds=%" PRId64, w->path,
             seconds);
    buf_add_text(&path, "&resourceVersion=");
    kube_transport_escape(&path, w->version);
    ask(w, &req, &path, on_watch_ended);
}

/* -- the machine -- */

static void on_timer(void *user)
{
    struct kube_watch *w = user;

    hang_up(w);
    fsm_move(&w->fsm, (int)w->next);
    switch (w->next) {
    case KUBE_WATCH_LISTING:
        step_LISTING(w);
        break;
    case KUBE_WATCH_CHECKING:
        step_CHECKING(w);
        break;
    case KUBE_WATCH_WATCHING:
        step_WATCHING(w);
        break;
    case KUBE_WATCH_IDLE:
    case KUBE_WATCH_BACKOFF:
        UNREACHABLE();
    }
}

struct kube_watch *kube_watch_new(struct kube_client *k, const struct kube_watch_conf *conf,
                                  const struct kube_watch_events *events, void *user)
{
    struct kube_watch *w = mem_alloc(sizeof(*w));

    w->client = k;
    w->world = kube_client_world(k);
    w->events = *events;
    w->user = user;
    w->path = mem_text(conf->path);
    w->selector = mem_text(conf->label_selector);
    w->idle_ms = conf->idle_ms > 0 ? conf->idle_ms : IDLE_MS;
    w->version = mem_text("");
    w->known = kube_known_new();
    w->timer = timer_new(w->world, on_timer, w);
    w->hangup = timer_new(w->world, hang_up, w);
    line_splitter_init(&w->lines, LINE_BYTES_MAX);
    fsm_init(&w->fsm, &KUBE_WATCH_FSM, KUBE_WATCH_IDLE);
    return w;
}

void kube_watch_start(struct kube_watch *w)
{
    INVARIANT(w->fsm.state == KUBE_WATCH_IDLE);
    go(w, KUBE_WATCH_LISTING, 0);
}

void kube_watch_free(struct kube_watch **at)
{
    struct kube_watch *w = *at;

    *at = NULL;
    if (!w)
        return;
    hang_up(w);
    timer_free(w->world, &w->timer);
    timer_free(w->world, &w->hangup);
    line_splitter_fini(&w->lines);
    kube_known_free(&w->known);
    free(w->path);
    free(w->selector);
    free(w->version);
    free(w->page);
    free(w);
}

bool kube_watch_synced(const struct kube_watch *w)
{
    return w->synced;
}

bool kube_watch_connected(const struct kube_watch *w)
{
    return w->synced && (w->fsm.state == KUBE_WATCH_WATCHING || w->failures == 0);
}

int64_t kube_watch_last_event_ms(const struct kube_watch *w)
{
    return w->last_event_ms;
}

const char *kube_watch_state(const struct kube_watch *w)
{
    return fsm_state_name(&w->fsm);
}

const char *kube_watch_error(const struct kube_watch *w)
{
    return kube_watch_connected(w) ? "" : w->error;
}

const char *kube_watch_version(const struct kube_watch *w)
{
    return w->version;
}
