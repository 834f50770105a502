#include "base/json.h"
#include "base/world.h"
#include "clusters/kube_known.h"
#include "clusters/kube_transport.h"
#include "clusters/kube_watch_machine.h"
#include <inttypes.h>
#include <string.h>

#define WATCH_MIN_S                                                                                \
    300 /* the server ends it after a random time, so that gateways spread over API servers */
#define WATCH_GRACE_MS 30000
#define SHORT_WATCH_MS 1000
#define LIST_MS        120000 /* for all of a list that is streamed */
#define INITIAL_END    "k8s.io/initial-events-end"

static bool is_reading(const struct kube_watch *w)
{
    return w->fsm.state == KUBE_WATCH_STREAMING || w->fsm.state == KUBE_WATCH_WATCHING;
}

/* This server does not stream lists: from now on by pages. One that was only slow loses nothing. */
static void list_by_pages(struct kube_watch *w)
{
    w->pages = true;
    kube_watch_pause(w, KUBE_WATCH_LISTING);
}

/* What a server says that cannot be asked for a list in this way, as a status or as an event: "a
 * feature is switched off", "such a parameter is forbidden", "too old a version" where none was
 * named. The others are trouble of the moment. */
static bool cannot_stream(const struct kube_watch *w, int64_t code)
{
    static const int64_t CODES[] = {400, 405, 410, 422, 500, 501};

    for (size_t i = 0; i < ARRAY_LEN(CODES); i++)
        if (code == CODES[i])
            return w->fsm.state == KUBE_WATCH_STREAMING;
    return false;
}

static void take_error(struct kube_watch *w, const struct json_t *status)
{
    int64_t code = json_int(json_get(status, "code"), 0);

    if (cannot_stream(w, code)) {
        list_by_pages(w);
        return;
    }
    if (code == 410) {
        kube_watch_expired(w);
        return;
    }
    kube_watch_fail(
        w, KUBE_WATCH_CHECKING, json_int(json_at(status, "details", "retryAfterSeconds", NULL), 0),
        "the watch ended with %" PRId64 ": %.120s", code, json_get_text(status, "message", ""));
}

static void take_object(struct kube_watch *w, const char *type, const struct json_t *object)
{
    if (strcmp(type, "DELETED") == 0)
        kube_watch_remove(w, object);
    else if (strcmp(type, "ADDED") == 0 || strcmp(type, "MODIFIED") == 0)
        kube_watch_show(w, object);
}

/* A list comes in any order, and what changes meanwhile comes in between: no version counts before
 * its end. That it is complete says nothing of the watch, so failures go on counting. */
static void take_initial(struct kube_watch *w, const char *type, const struct json_t *object)
{
    const struct json_t *metadata = json_get(object, "metadata");
    const char *end = json_get_text(json_get(metadata, "annotations"), INITIAL_END, "");
    const char *version = json_get_text(metadata, "resourceVersion", "");

    if (strcmp(type, "BOOKMARK") != 0) {
        take_object(w, type, object);
    } else if (strcmp(end, "true") == 0 && version[0] == '\0') {
        kube_watch_fail(w, KUBE_WATCH_LISTING, 0, "a list without resourceVersion");
    } else if (strcmp(end, "true") == 0) {
        timer_stop(w->world, w->timer);
        fsm_move(&w->fsm, KUBE_WATCH_WATCHING);
        kube_watch_list_complete(w, version);
    }
}

/* BOOKMARK: the version is all of it. */
static void take_change(struct kube_watch *w, const char *type, const struct json_t *object)
{
    kube_watch_worked(w);
    w->shown = true;
    kube_watch_set_version(w, json_get_text(json_get(object, "metadata"), "resourceVersion", ""));
    take_object(w, type, object);
}

static bool on_line(struct slice line, void *user)
{
    struct kube_watch *w = user;
    struct json_t *event = json_parse_object(line, NULL);
    const char *type = json_get_text(event, "type", "");
    struct json_t *object = json_get(event, "object");

    if (type[0] == '\0' || !json_is_object(object)) /* an event is lost, and nobody knows which */
        kube_watch_fail(w, KUBE_WATCH_LISTING, 0, "a watch event that cannot be read");
    else if (strcmp(type, "ERROR") == 0)
        take_error(w, object);
    else if (w->fsm.state == KUBE_WATCH_STREAMING)
        take_initial(w, type, object);
    else
        take_change(w, type, object);
    json_free(event);
    return is_reading(w);
}

static void on_piece(struct http_call *c, struct slice piece, void *user)
{
    struct kube_watch *w = user;

    (void)c;
    if (!is_reading(w))
        return;
    w->last_event_ms = world_now_ms(w->world);
    if (line_splitter_feed(&w->lines, piece, on_line, w) == LINE_SPLITTER_TOO_LONG)
        kube_watch_fail(w, KUBE_WATCH_LISTING, 0, "a watch event above %zu bytes",
                        KUBE_WATCH_LINE_BYTES);
}

static void take_orderly_end(struct kube_watch *w)
{
    int64_t now = world_now_ms(w->world);

    if (!w->shown && now - w->began_ms < SHORT_WATCH_MS) {
        kube_watch_fail(w, KUBE_WATCH_CHECKING, 0, "the watch ended at once");
        return;
    }
    kube_watch_worked(w);
    kube_watch_pause(w, now >= w->list_due_ms ? KUBE_WATCH_LISTING : KUBE_WATCH_WATCHING);
}

/* It stood for as long as the limit allows: no failure before a check fails. */
static void take_silence(struct kube_watch *w)
{
    kube_watch_worked(w);
    kube_watch_pause(w, KUBE_WATCH_CHECKING);
}

static void on_ended(struct http_call *c, const struct http_call_result *r, void *user)
{
    struct kube_watch *w = user;

    (void)c;
    w->call = NULL;
    if (!is_reading(w))
        return;
    bool silence = r->err && r->err->code == ERR_DEADLINE;
    if (w->fsm.state == KUBE_WATCH_STREAMING &&
        (kube_watch_is_good(r) || silence || cannot_stream(w, r->status)))
        list_by_pages(w);
    else if (kube_watch_is_good(r))
        take_orderly_end(w);
    else if (silence)
        take_silence(w);
    else if (!r->err && r->status == 410)
        kube_watch_expired(w);
    else
        kube_watch_refused(w, r);
}

void kube_watch_stream_begin(struct kube_watch *w)
{
    int64_t seconds = WATCH_MIN_S + (int64_t)world_random_below(w->world, WATCH_MIN_S);
    struct kube_transport_request req = {.total_ms = seconds * 1000 + WATCH_GRACE_MS,
                                         .idle_ms = w->idle_ms,
                                         .reply_max = KUBE_WATCH_PATH_BYTES, /* of an error */
                                         .on_data = on_piece};
    bool lists = w->fsm.state == KUBE_WATCH_STREAMING;
    struct buf path;

    line_splitter_clear(&w->lines);
    w->shown = false;
    w->began_ms = world_now_ms(w->world);
    buf_init(&path, KUBE_WATCH_PATH_BYTES);
    buf_addf(&path, "%s?watch=1&allowWatchBookmarks=true&timeoutSeconds=%" PRId64, w->path,
             seconds);
    if (lists) {
        buf_add_text(&path, "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
        kube_known_begin_list(w->known);
        kube_watch_go(w, KUBE_WATCH_LISTING, LIST_MS); /* if it does not end before */
    } else {
        buf_add_text(&path, "&resourceVersion=");
        kube_transport_escape(&path, w->version);
    }
    kube_watch_ask(w, &req, &path, on_ended);
}
