#include "sandbox/event_watchers.h"
#include "base/json.h"
#include "base/mem.h"
#include "http/http_reply.h"
#include <stdlib.h>

struct event_watcher {
    struct event_watcher *next;
    struct event_watchers *owner;
    struct http_exchange *exchange; /* NULL: it has ended, to be swept */
    struct execution *execution;    /* held */
    struct event_cursor cursor;
    struct timer *ping;
    bool full; /* the client has not taken what waits */
};

struct event_watchers {
    struct loop *loop;
    struct event_watcher *first;
    size_t count;
    bool waking;
};

struct event_watchers *event_watchers_new(struct loop *l)
{
    struct event_watchers *w = mem_alloc(sizeof(*w));
    w->loop = l;
    return w;
}

static void end(struct event_watcher *one)
{
    http_exchange_on_gone(one->exchange, NULL, NULL);
    http_reply_on_drain(one->exchange, NULL, NULL);
    http_reply_end(one->exchange);
    one->exchange = NULL;
    one->owner->count--;
    timer_free(loop_world(one->owner->loop), &one->ping);
    execution_release(one->execution);
}

/* One event; the object of the result, which may be large, lives no longer than that. */
static enum event_step next_event(struct event_watcher *one, struct buf *out)
{
    struct event_source s = execution_events(one->execution, NULL);
    struct json_t *meta = NULL;
    if (event_stream_needs_meta(&s, &one->cursor))
        s.result.meta = meta = execution_meta(one->execution);
    enum event_step step = event_stream_next(&s, &one->cursor, out);
    json_free(meta);
    return step;
}

static void tell(struct event_watcher *one)
{
    enum event_step step = EVENT_STEP_TOLD;
    while (step == EVENT_STEP_TOLD && !one->full) {
        struct buf text;
        buf_init(&text, EVENT_TEXT_MAX);
        step = next_event(one, &text);
        INVARIANT(!text.overflowed);
        if (text.len > 0)
            one->full = http_reply_write(one->exchange, buf_slice(&text)) > HTTP_REPLY_HIGH_WATER;
        buf_fini(&text);
    }
    if (step == EVENT_STEP_FINISHED)
        end(one);
}

static void sweep(struct event_watchers *w)
{
    struct event_watcher **at = &w->first;
    while (*at) {
        struct event_watcher *one = *at;
        if (one->exchange) {
            at = &one->next;
            continue;
        }
        *at = one->next;
        free(one);
    }
}

static void wake_all(void *user)
{
    struct event_watchers *w = user;
    w->waking = false;
    for (struct event_watcher *one = w->first; one; one = one->next)
        if (one->exchange)
            tell(one);
    sweep(w);
}

void event_watchers_wake(struct event_watchers *w)
{
    if (w->waking || !w->first)
        return;
    w->waking = true;
    loop_defer(w->loop, wake_all, w);
}

static void on_drained(struct http_exchange *x, void *user)
{
    struct event_watcher *one = user;
    (void)x;
    one->full = false;
    event_watchers_wake(one->owner);
}

static void on_gone(struct http_exchange *x, void *user)
{
    struct event_watcher *one = user;
    (void)x;
    end(one);
    event_watchers_wake(one->owner);
}

static void on_ping(void *user)
{
    struct event_watcher *one = user;
    if (!one->full)
        one->full = http_reply_write(one->exchange, slice_of(": ping\n\n")) > HTTP_REPLY_HIGH_WATER;
}

int event_watchers_add(struct event_watchers *w, struct http_exchange *x, struct execution *e,
                       const struct event_cursor *from, struct err *err)
{
    if (w->count >= EVENT_WATCHERS_MAX)
        return err_set(err, ERR_QUOTA_EXCEEDED, "a session has at most %d watchers of events",
                       EVENT_WATCHERS_MAX);
    struct event_watcher *one = mem_alloc(sizeof(*one));
    *one = (struct event_watcher){w->first, w, x, e, *from, NULL, false};
    w->first = one;
    w->count++;
    execution_hold(e);
    one->ping = timer_new(loop_world(w->loop), on_ping, one);
    timer_start(loop_world(w->loop), one->ping, EVENT_PING_MS, EVENT_PING_MS);
    http_reply_begin(x, 200, -1);
    http_exchange_on_gone(x, on_gone, one);
    http_reply_on_drain(x, on_drained, one);
    event_watchers_wake(w);
    return 0;
}
