#include "base/json.h"
#include "base/world.h"
#include "clusters/kube_transport.h"
#include "clusters/kube_watch_machine.h"
#include <inttypes.h>
#include <string.h>

#define WATCH_MIN_S                                                                                \
    300 /* the server ends it after a random time, so that gateways spread over API servers */
#define WATCH_GRACE_MS 30000
#define SHORT_WATCH_MS 1000

static void take_error(struct kube_watch *w, const struct json_t *status)
{
    int64_t code = json_int(json_get(status, "code"), 0);

    if (code == 410) {
        kube_watch_expired(w);
        return;
    }
    kube_watch_fail(
        w, KUBE_WATCH_CHECKING, json_int(json_at(status, "details", "retryAfterSeconds", NULL), 0),
        "the watch ended with %" PRId64 ": %.120s", code, json_get_text(status, "message", ""));
}

static void take_change(struct kube_watch *w, const char *type, const struct json_t *object)
{
    kube_watch_set_version(w, json_get_text(json_get(object, "metadata"), "resourceVersion", ""));
    if (strcmp(type, "DELETED") == 0)
        kube_watch_remove(w, object);
    else if (strcmp(type, "ADDED") == 0 || strcmp(type, "MODIFIED") == 0)
        kube_watch_show(w, object); /* BOOKMARK: the version was all of it */
}

static bool on_line(struct slice line, void *user)
{
    struct kube_watch *w = user;
    struct json_t *event = json_parse_object(line, NULL);
    const char *type = json_get_text(event, "type", "");
    struct json_t *object = json_get(event, "object");

    if (type[0] == '\0' || !json_is_object(object)) {
        /* An event is lost, and nobody knows which. */
        kube_watch_fail(w, KUBE_WATCH_LISTING, 0, "a watch event that cannot be read");
    } else if (strcmp(type, "ERROR") == 0) {
        take_error(w, object);
    } else {
        kube_watch_worked(w);
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
    if (w->fsm.state != KUBE_WATCH_WATCHING)
        return;
    if (kube_watch_is_good(r))
        take_orderly_end(w);
    else if (r->err && r->err->code == ERR_DEADLINE)
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
    struct buf path;

    line_splitter_clear(&w->lines);
    w->shown = false;
    w->began_ms = world_now_ms(w->world);
    buf_init(&path, KUBE_WATCH_PATH_BYTES);
    buf_addf(&path, "%s?watch=1&allowWatchBookmarks=true&timeoutSeconds=%" PRId64, w->path,
             seconds);
    buf_add_text(&path, "&resourceVersion=");
    kube_transport_escape(&path, w->version);
    kube_watch_ask(w, &req, &path, on_ended);
}
