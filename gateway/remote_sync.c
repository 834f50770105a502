#include "gateway/remote_sync.h"

#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "gateway/gateway.h"
#include "gateway/gateway_metrics.h"
#include "gateway/record_closer.h"
#include "gateway/remote_delete.h"
#include "gateway/remote_lookup.h"
#include "gateway/remote_session.h"
#include "gateway/session_table.h"
#include "gateway/small_file.h"
#include "http/http_call.h"
#include "router/redis_client.h"
#include "router/remote.h"
#include "router/route_record.h"

#include <stdio.h>
#include <stdlib.h>

#define LOOK_MS    1000
#define LIST_MS    5000
#define LIST_LIMIT 500
#define LIST_BYTES ((size_t)4 * 1024 * 1024)
#define GRACE_MS   ((int64_t)3600 * 1000)
#define SETTLE_MS  5000     /* another gateway's back-off from Redis, and its look */
#define MARKER_ID  "routes" /* asked for only to hear whether records are complete */

/* Redis without its mark has lost records: all sites are asked for all our sessions, page by page;
 * when each has told all, the mark is set. */
struct remote_sync {
    struct gateway *g;
    struct timer *timer;
    struct remote_call *call;
    bool asking; /* an answer of Redis is on its way */
    bool closed;
    uint64_t connections; /* of Redis, when records were last known to be complete */
    size_t at;            /* which remote is asked now */
    char after[SESSION_ID_SIZE];
    int64_t found;
};

static void ask_page(struct remote_sync *y);

static void look_later(struct remote_sync *y)
{
    timer_start(y->g->world, y->timer, LOOK_MS, 0);
}

static void on_marked(const struct route_answer *a, const struct err *err, void *user)
{
    struct remote_sync *y = user;
    (void)a;
    y->asking = false;
    if (y->closed) {
        free(y);
        return;
    }
    if (!err)
        LOG(LOG_INFO, "routes_rebuilt", KV("sessions", y->found));
    look_later(y);
}

static void on_page(const struct remote_result *result, void *user)
{
    struct remote_sync *y = user;
    struct err bad;
    struct remote *remote = remotes_at(y->g->remotes, y->at);
    y->call = NULL;
    struct json_t *j = result->status == 200 ? json_parse_object(result->body, &bad) : NULL;
    struct json_t *items = json_get(j, "items");
    if (!items) {
        json_free(j);
        look_later(y); /* from the beginning, when that site answers */
        return;
    }
    for (size_t i = 0; i < json_count(items); i++) {
        const struct json_t *words = json_item(items, i);
        y->found += remote_lookup_adopt(y->g, remote, words); /* writes its record */
        snprintf(y->after, sizeof(y->after), "%s", json_get_text(words, "session_id", ""));
    }
    bool more = json_true(json_get(j, "more")) && json_count(items) > 0;
    json_free(j);
    if (!more) {
        y->at++;
        y->after[0] = '\0';
    }
    ask_page(y);
}

static void ask_page(struct remote_sync *y)
{
    char target[160];
    if (y->at >= remotes_count(y->g->remotes)) {
        y->asking = true;
        route_records_mark_complete(y->g->routes, on_marked, y);
        return;
    }
    snprintf(target, sizeof(target), "/internal/v1/sessions?limit=%d&after=%s", LIST_LIMIT,
             y->after);
    const struct remote_request req = {.operation = "list",
                                       .method = "GET",
                                       .target = target,
                                       .total_ms = LIST_MS,
                                       .reply_max = LIST_BYTES};
    y->call = remote_call_start(remotes_at(y->g->remotes, y->at), &req, on_page, y);
}

static bool record_again(struct session *s, void *user)
{
    (void)user;
    if (s->remote)
        remote_session_record(s);
    return true;
}

/* A Redis that was away may be back with what it had saved before, its mark too. */
static void record_after_pause(struct remote_sync *y)
{
    uint64_t connections = redis_client_counts(y->g->redis)->connections;
    if (connections != y->connections)
        session_table_each(y->g->sessions, record_again, NULL);
    y->connections = connections;
}

static void on_mark(const struct route_answer *a, const struct err *err, void *user)
{
    struct remote_sync *y = user;
    y->asking = false;
    if (y->closed) {
        free(y);
        return;
    }
    if (!err && a->complete)
        record_after_pause(y);
    if (err || a->complete) {
        look_later(y);
        return;
    }
    LOG(LOG_WARN, "routes_lost", KV("site", y->g->conf.site));
    y->at = 0;
    y->after[0] = '\0';
    y->found = 0;
    session_table_each(y->g->sessions, record_again, NULL);
    ask_page(y);
}

static void on_timer(void *user)
{
    struct remote_sync *y = user;
    y->asking = true;
    route_record_get(y->g->routes, MARKER_ID, on_mark, y);
}

/* -- the parts -- */

int remote_sync_read_tokens(struct gateway_config *c, struct err *err)
{
    for (size_t i = 0; i < c->remote_count; i++) {
        struct remote_conf *row = &c->remotes[i];
        struct buf text;
        struct slice rest, line = {0};
        int number = 0;
        buf_init(&text, 4096);
        int rc = small_file_read(row->token_file, &text, err);
        rest = buf_slice(&text);
        if (rc == 0 && !small_file_line(&rest, &line, &number))
            rc = err_set(err, ERR_CONFIG, "%s holds no token", row->token_file);
        if (rc == 0)
            rc = remote_conf_set_token(row, line, err);
        buf_fini(&text);
        if (rc < 0)
            return err_wrap(err, "remotes: %s", row->name);
    }
    return 0;
}

static void note_call(struct remote *r, const char *operation, const char *outcome, int64_t took_ms,
                      void *user)
{
    struct gateway *g = user;
    gateway_metrics_remote_call(g->metrics, remote_name(r), operation, outcome, took_ms);
}

void remote_sync_open(struct gateway *g)
{
    g->remote_caller = http_caller_new(g->loop);
    g->remotes =
        remotes_new(g->loop, g->remote_caller, g->conf.remotes, g->conf.remote_count, g->conf.site);
    remotes_on_call(g->remotes, note_call, g);
    const struct route_records_conf routes = {
        .site = g->conf.site,
        .active_ms = g->conf.limits.session_max_ms + g->conf.limits.tombstone_ms + GRACE_MS,
        .gone_ms = g->conf.limits.tombstone_ms,
        .settle_ms = SETTLE_MS,
    };
    g->routes = route_records_new(g->redis, &routes);
    g->deletes = remote_deletes_new(g);
    g->closer = record_closer_new(g);
    g->remote_sync = mem_alloc(sizeof(*g->remote_sync));
    g->remote_sync->g = g;
    g->remote_sync->timer = timer_new(g->world, on_timer, g->remote_sync);
    if (g->conf.remote_count > 0)
        timer_start(g->world, g->remote_sync->timer, LOOK_MS, 0);
}

void remote_sync_close(struct gateway *g)
{
    struct remote_sync *y = g->remote_sync;
    if (!y)
        return;
    g->remote_sync = NULL;
    remote_call_cancel(&y->call);
    timer_free(g->world, &y->timer);
    if (y->asking)
        y->closed = true;
    else
        free(y);
    remote_deletes_free(&g->deletes);
    record_closer_free(&g->closer);
    remotes_free(&g->remotes);
    http_caller_free(&g->remote_caller);
}
