#include "clusters/kube_watch.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/world.h"
#include "clusters/kube_client.h"
#include "clusters/kube_known.h"
#include "clusters/kube_transport.h"
#include "clusters/kube_watch_machine.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define IDLE_MS          60000
#define QUICK_MIN_MS     50
#define QUICK_SPREAD_MS  51
#define BACKOFF_FIRST_MS 800
#define BACKOFF_MAX_MS   2500 /* nothing is placed meanwhile */
#define CATCH_UP_MS      1000 /* the events of an outage come at once */
#define RETRY_AFTER_MAX  60
#define RELIST_MS                                                                                  \
    ((int64_t)30 * 60 * 1000) /* a watch can lose events in silence; a list cannot                 \
                               */

static const struct fsm_state STATES[] = {KUBE_WATCH_STATES(FSM_STATE)};
const struct fsm_table KUBE_WATCH_FSM = {"kube_watch", STATES, ARRAY_LEN(STATES)};

/* -- moving on -- */

void kube_watch_go(struct kube_watch *w, enum kube_watch_state next, int64_t after_ms)
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

static void pause_for(struct kube_watch *w, enum kube_watch_state next, int64_t after_ms)
{
    fsm_move(&w->fsm, KUBE_WATCH_BACKOFF);
    free(w->page);
    w->page = NULL;
    if (w->call)
        timer_start(w->world, w->hangup, 0, 0);
    kube_watch_go(w, next, after_ms);
}

void kube_watch_pause(struct kube_watch *w, enum kube_watch_state next)
{
    pause_for(w, next, QUICK_MIN_MS + (int64_t)world_random_below(w->world, QUICK_SPREAD_MS));
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

/* One line when it goes away, and one for each new cause until it is back. */
static void say_lost(struct kube_watch *w, const char *error)
{
    if (strcmp(w->error, error) == 0)
        return;
    snprintf(w->error, sizeof(w->error), "%s", error);
    LOG(LOG_WARN, "kube_watch_lost", KV("path", (const char *)w->path),
        KV("error", (const char *)w->error));
}

void kube_watch_fail(struct kube_watch *w, enum kube_watch_state next, int64_t retry_after_s,
                     const char *fmt, ...)
{
    va_list args;
    char error[sizeof(w->error)];

    va_start(args, fmt);
    vsnprintf(error, sizeof(error), fmt, args);
    va_end(args);
    say_lost(w, error);
    w->failures++;
    if (retry_after_s > RETRY_AFTER_MAX)
        retry_after_s = RETRY_AFTER_MAX;
    int64_t after = backoff_ms(w);
    if (after < retry_after_s * 1000)
        after = retry_after_s * 1000;
    pause_for(w, w->synced ? next : KUBE_WATCH_LISTING, after);
}

void kube_watch_worked(struct kube_watch *w)
{
    if (w->error[0] != '\0')
        LOG(LOG_INFO, "kube_watch_up", KV("path", (const char *)w->path));
    w->failures = 0;
    w->relists = 0;
    w->error[0] = '\0';
}

/* Once at once; a server that says it again and again is one that fails. */
void kube_watch_expired(struct kube_watch *w)
{
    if (w->relists++ > 0)
        kube_watch_fail(w, KUBE_WATCH_LISTING, 0, "410: the version is too old, again");
    else
        kube_watch_pause(w, KUBE_WATCH_LISTING);
}

void kube_watch_refused(struct kube_watch *w, const struct http_call_result *r)
{
    bool ours = r->status == 400 || r->status == 404 || r->status == 422;

    if (r->err) {
        kube_watch_fail(w, KUBE_WATCH_CHECKING, 0, "%.180s", r->err->msg);
        return;
    }
    if (r->status == 401)
        kube_transport_distrust_token(kube_client_transport(w->client));
    kube_watch_fail(w, ours ? KUBE_WATCH_LISTING : KUBE_WATCH_CHECKING, r->retry_after_s,
                    "status %d: %.*s", r->status, (int)(r->body.len < 120 ? r->body.len : 120),
                    r->body.len ? r->body.at : "");
}

/* -- asking -- */

bool kube_watch_is_good(const struct http_call_result *r)
{
    return !r->err && r->status >= 200 && r->status < 300;
}

static void add_selector(struct kube_watch *w, struct buf *path)
{
    if (!w->selector)
        return;
    buf_add_text(path, "&labelSelector=");
    kube_transport_escape(path, w->selector);
}

void kube_watch_ask(struct kube_watch *w, struct kube_transport_request *req, struct buf *path,
                    http_call_done_f *done)
{
    struct err err = {0};

    add_selector(w, path);
    req->method = "GET";
    req->path = buf_text(path);
    int rc =
        path->overflowed
            ? err_set(&err, ERR_KUBERNETES, "a path above %d bytes", KUBE_WATCH_PATH_BYTES)
            : kube_transport_start(kube_client_transport(w->client), req, done, w, &w->call, &err);
    if (rc < 0) {
        w->call = NULL;
        kube_watch_fail(w, KUBE_WATCH_CHECKING, 0, "%.180s", err.msg);
    }
    buf_fini(path);
}

/* -- objects -- */

static struct kube_identity identity_of(const struct json_t *object)
{
    struct json_t *m = json_get(object, "metadata");

    return (struct kube_identity){json_get_text(m, "namespace", ""), json_get_text(m, "name", ""),
                                  json_get_text(m, "uid", ""),
                                  json_get_text(m, "resourceVersion", "")};
}

void kube_watch_set_version(struct kube_watch *w, const char *version)
{
    if (version[0] == '\0')
        return;
    free(w->version);
    w->version = mem_text(version);
}

static void tell_gone(const struct kube_identity *gone, void *user)
{
    struct kube_watch *w = user;
    struct json_t *object = json_build("{s:{s:s,s:s,s:s}}", "metadata", "name", gone->name,
                                       "namespace", gone->namespace_name, "uid", gone->uid);

    w->events.on_event(KUBE_DELETED, object, w->user);
    json_free(object);
}

void kube_watch_show(struct kube_watch *w, const struct json_t *object)
{
    struct kube_identity id = identity_of(object);

    if (id.name[0] == '\0')
        return;
    enum kube_known_change change = kube_known_put(w->known, &id, tell_gone, w);
    if (change != KUBE_KNOWN_SAME)
        w->events.on_event(change == KUBE_KNOWN_NEW ? KUBE_ADDED : KUBE_MODIFIED, object, w->user);
}

void kube_watch_remove(struct kube_watch *w, const struct json_t *object)
{
    struct kube_identity id = identity_of(object);

    kube_known_remove(w->known, &id);
    w->events.on_event(KUBE_DELETED, object, w->user);
}

void kube_watch_list_complete(struct kube_watch *w, const char *version)
{
    int64_t spread = (int64_t)world_random_below(w->world, (uint64_t)RELIST_MS / 4);

    kube_watch_set_version(w, version);
    kube_known_end_list(w->known, tell_gone, w);
    w->list_due_ms = world_now_ms(w->world) + RELIST_MS - spread;
    w->synced = true;
    w->behind = false;
    w->events.on_synced(w->user);
}

/* -- the machine -- */

static void on_timer(void *user)
{
    struct kube_watch *w = user;

    hang_up(w);
    if (w->fsm.state == KUBE_WATCH_STREAMING)
        w->pages = true; /* the end of the list is long due */
    if (w->next == KUBE_WATCH_LISTING && !w->pages)
        w->next = KUBE_WATCH_STREAMING;
    fsm_move(&w->fsm, (int)w->next);
    switch (w->next) {
    case KUBE_WATCH_LISTING:
        kube_watch_list_begin(w);
        break;
    case KUBE_WATCH_CHECKING:
        kube_watch_check_begin(w);
        break;
    case KUBE_WATCH_STREAMING:
    case KUBE_WATCH_WATCHING:
        kube_watch_stream_begin(w);
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
    line_splitter_init(&w->lines, KUBE_WATCH_LINE_BYTES);
    fsm_init(&w->fsm, &KUBE_WATCH_FSM, KUBE_WATCH_IDLE);
    return w;
}

void kube_watch_start(struct kube_watch *w)
{
    INVARIANT(w->fsm.state == KUBE_WATCH_IDLE);
    kube_watch_go(w, KUBE_WATCH_LISTING, 0);
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

static bool has_caught_up(const struct kube_watch *w)
{
    bool is_long = world_now_ms(w->world) - w->began_ms >= CATCH_UP_MS;
    return w->fsm.state == KUBE_WATCH_WATCHING && (!w->behind || is_long);
}

bool kube_watch_connected(const struct kube_watch *w)
{
    return w->synced && (w->failures == 0 || has_caught_up(w));
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
