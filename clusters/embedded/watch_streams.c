#include "clusters/embedded/watch_streams.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "clusters/embedded/api_request.h"
#include "clusters/embedded/api_status.h"
#include "clusters/embedded/selector.h"
#include "http/http_reply.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define BOOKMARK_MS 30000
#define EVENT_BYTES ((size_t)3 * 1024 * 1024)

struct watch_stream {
    struct watch_streams *owner;
    struct watch_stream *prev, *next;
    struct http_exchange *exchange;
    enum object_kind kind;
    char *namespace_name;
    struct selector *labels, *fields;
    uint64_t version;
    bool bookmarks, full, table, described; /* described: the columns have been sent */
    enum api_table_include include;
    struct timer *bookmark, *deadline;
};

struct watch_streams {
    struct loop *loop;
    struct object_store *store;
    struct watch_stream *streams;
    unsigned count;
    bool wake_planned;
};

struct watch_streams *watch_streams_new(struct loop *l, struct object_store *store)
{
    struct watch_streams *w = mem_alloc(sizeof *w);

    w->loop = l;
    w->store = store;
    return w;
}

/* Forgets the stream; the exchange has been ended, or is ended by the caller. */
static void drop(struct watch_stream *s)
{
    struct world *world = loop_world(s->owner->loop);

    DL_DELETE(s->owner->streams, s);
    s->owner->count--;
    timer_free(world, &s->bookmark);
    timer_free(world, &s->deadline);
    selector_free(&s->labels);
    selector_free(&s->fields);
    free(s->namespace_name);
    free(s);
}

static void finish(struct watch_stream *s)
{
    struct http_exchange *x = s->exchange;

    drop(s);
    http_reply_end(x);
}

void watch_streams_free(struct watch_streams **w)
{
    struct watch_stream *s, *next;

    if (!*w)
        return;
    DL_FOREACH_SAFE((*w)->streams, s, next)
    {
        finish(s);
    }
    free(*w);
    *w = NULL;
}

static void send_event(struct watch_stream *s, const char *type, const struct json_t *object)
{
    struct buf line;

    buf_init(&line, EVENT_BYTES);
    buf_addf(&line, "{\"type\":\"%s\",\"object\":", type);
    json_print(object, &line);
    buf_add_text(&line, "}\n");
    s->full = http_reply_write(s->exchange, buf_slice(&line)) > HTTP_REPLY_HIGH_WATER;
    buf_fini(&line);
}

/* As an object or as a row; only the first table of a watch describes its columns. */
static void send_object(struct watch_stream *s, const char *type, const struct json_t *object)
{
    struct json_t *table = NULL;

    if (!s->table) {
        send_event(s, type, object);
        return;
    }
    table = api_table_of(s->kind, object, s->include, !s->described,
                         world_wall_ms(loop_world(s->owner->loop)));
    s->described = true;
    send_event(s, type, table);
    json_free(table);
}

static void send_bookmark(struct watch_stream *s, bool initial)
{
    char version[32];
    struct json_t *object = NULL;

    snprintf(version, sizeof version, "%" PRIu64, s->version);
    object = json_build("{s:s, s:s, s:{s:s, s:n}}", "kind", API_KINDS[s->kind].kind, "apiVersion",
                        API_KINDS[s->kind].version, "metadata", "resourceVersion", version,
                        "creationTimestamp");
    if (initial)
        json_set(json_get(object, "metadata"), "annotations",
                 json_build("{s:s}", "k8s.io/initial-events-end", "true"));
    send_object(s, "BOOKMARK", object);
    json_free(object);
}

static bool selects(const struct watch_stream *s, const struct json_t *object)
{
    const char *ns = json_get_text(json_get(object, "metadata"), "namespace", "");

    return object && (!s->namespace_name || strcmp(s->namespace_name, ns) == 0) &&
           selector_matches(s->labels, object) && selector_matches(s->fields, object);
}

/* An object that begins or ceases to match is ADDED or DELETED for this watcher, whatever it is for
 * others. */
static void send_record(struct watch_stream *s, const struct object_record *r)
{
    bool now = r->change != OBJECT_DELETED && selects(s, r->now);
    bool before = selects(s, r->before);

    if (!now && !before)
        return;
    send_object(s, now && before ? "MODIFIED" : now ? "ADDED" : "DELETED", r->now);
}

static void send_expired(struct watch_stream *s)
{
    char message[100];
    struct json_t *status = NULL;

    snprintf(message, sizeof message, "too old resource version: %" PRIu64 " (%" PRIu64 ")",
             s->version, object_store_version(s->owner->store));
    status = api_status_build(API_EXPIRED, NULL, NULL, message);
    send_event(s, "ERROR", status);
    json_free(status);
}

/* Sends what there is room for. The stream may be gone afterwards. */
static void pump(struct watch_stream *s)
{
    const struct object_record *r = NULL;

    if (!object_store_covers(s->owner->store, s->kind, s->version)) {
        send_expired(s);
        finish(s);
        return;
    }
    while (!s->full && (r = object_store_after(s->owner->store, s->kind, s->version)) != NULL) {
        s->version = r->version;
        send_record(s, r);
    }
    if (!s->full && s->version < object_store_version(s->owner->store))
        s->version = object_store_version(s->owner->store);
}

static void on_drain(struct http_exchange *x, void *user)
{
    struct watch_stream *s = user;

    (void)x;
    s->full = false;
    pump(s);
}

static void on_gone(struct http_exchange *x, void *user)
{
    (void)x;
    finish(user);
}

static void on_bookmark(void *user)
{
    struct watch_stream *s = user;

    if (!s->full)
        send_bookmark(s, false);
}

static void on_deadline(void *user)
{
    struct watch_stream *s = user;

    if (s->bookmarks && !s->full)
        send_bookmark(s, false);
    finish(s);
}

static void send_initial(struct watch_stream *s, bool bookmark)
{
    struct json_t **objects = NULL;
    size_t count = object_store_list(s->owner->store, s->kind, s->namespace_name, &objects);

    /* All at once: the pods of one machine are bounded, and a list would send them as well. */
    for (size_t i = 0; i < count; i++)
        if (selects(s, objects[i]))
            send_object(s, "ADDED", objects[i]);
    free(objects);
    if (bookmark)
        send_bookmark(s, true);
}

static struct watch_stream *add(struct watch_streams *w, struct http_exchange *x,
                                const struct watch_streams_request *req)
{
    struct watch_stream *s = mem_alloc(sizeof *s);

    *s = (struct watch_stream){.owner = w,
                               .exchange = x,
                               .kind = req->kind,
                               .namespace_name = mem_text(req->namespace_name),
                               .labels = req->labels,
                               .fields = req->fields,
                               .version =
                                   req->initial ? object_store_version(w->store) : req->version,
                               .bookmarks = req->bookmarks,
                               .table = req->table,
                               .include = req->include};
    DL_APPEND(w->streams, s);
    w->count++;
    return s;
}

void watch_streams_open(struct watch_streams *w, struct http_exchange *x,
                        const struct watch_streams_request *req)
{
    struct world *world = loop_world(w->loop);
    struct watch_stream *s = add(w, x, req);

    http_reply_header(x, "Content-Type", "application/json");
    http_reply_begin(x, 200, -1);
    http_exchange_on_gone(x, on_gone, s);
    http_reply_on_drain(x, on_drain, s);
    s->deadline = timer_new(world, on_deadline, s);
    timer_start(world, s->deadline, req->timeout_ms, 0);
    if (s->bookmarks) {
        s->bookmark = timer_new(world, on_bookmark, s);
        timer_start(world, s->bookmark, BOOKMARK_MS, BOOKMARK_MS);
    }
    if (w->count > WATCH_STREAMS_MAX) {
        finish(s); /* the client lists and tries again; it cannot fill the node's memory */
        return;
    }
    if (req->initial)
        send_initial(s, req->initial_bookmark);
    pump(s);
}

static void wake_all(void *user)
{
    struct watch_streams *w = user;
    struct watch_stream *s, *next;

    w->wake_planned = false;
    DL_FOREACH_SAFE(w->streams, s, next)
    {
        if (!s->full || !object_store_covers(w->store, s->kind, s->version))
            pump(s);
    }
}

/* Once a turn: several changes of one turn go out together. */
void watch_streams_wake(struct watch_streams *w)
{
    if (w->wake_planned || !w->streams)
        return;
    w->wake_planned = true;
    loop_defer(w->loop, wake_all, w);
}
