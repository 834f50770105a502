#include "router/remote.h"

#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define CONNECT_MS        1000
#define PROBE_MS          2000
#define PROBE_TOTAL_MS    2000
#define PROBE_FIRST_MS    20
#define SILENCE_MS        6000 /* some probes long */
#define REPLY_MAX_DEFAULT ((size_t)256 * 1024)
#define LINES_MAX         (REMOTE_FIELDS_MAX + 2)

struct remote {
    struct remotes *all;
    struct remote_conf conf;
    struct breaker breaker;
    struct remote_capacity capacity;
    char *authorization;
    int64_t seen_ms, seen_wall_ms;
    struct timer *timer;
    struct remote_call *probe;
};

struct remotes {
    struct loop *loop;
    struct world *world;
    struct http_caller *caller;
    char *own_site;
    struct remote *items;
    size_t count;
    remotes_watch_f *watch;
    void *watch_user;
};

struct remote_call {
    struct remote *remote;
    struct http_call *call;
    const char *operation;
    remote_done_f *done;
    void *user;
    int64_t begun_ms;
    bool not_started, full;
    bool spoken; /* a gateway's words, not its front door's */
    bool deferred, cancelled;
    struct err early;
};

/* -- what is known of it -- */

size_t remotes_count(const struct remotes *r)
{
    return r ? r->count : 0;
}

struct remote *remotes_at(const struct remotes *r, size_t i)
{
    return &r->items[i];
}

struct remote *remotes_get(const struct remotes *r, const char *name)
{
    for (size_t i = 0; i < remotes_count(r); i++) {
        if (strcmp(r->items[i].conf.name, name) == 0)
            return &r->items[i];
    }
    return NULL;
}

void remotes_on_call(struct remotes *r, remotes_watch_f *fn, void *user)
{
    r->watch = fn;
    r->watch_user = user;
}

static int64_t now_ms(const struct remote *r)
{
    return world_now_ms(r->all->world);
}

size_t remotes_choices(struct remotes *r, struct remote_choice_site out[REMOTES_MAX])
{
    for (size_t i = 0; i < remotes_count(r); i++) {
        struct remote *one = &r->items[i];
        out[i] = (struct remote_choice_site){.name = one->conf.name,
                                             .priority = one->conf.priority,
                                             .weight = one->conf.weight,
                                             .reachable = remote_is_reachable(one),
                                             .slots = one->capacity.slots,
                                             .sessions = one->capacity.sessions,
                                             .sessions_max = one->conf.max_sessions};
    }
    return remotes_count(r);
}

const char *remote_name(const struct remote *r)
{
    return r->conf.name;
}

const struct remote_capacity *remote_capacity(const struct remote *r)
{
    return &r->capacity;
}

enum breaker_state remote_breaker(struct remote *r)
{
    return breaker_state(&r->breaker, now_ms(r));
}

uint64_t remote_breaker_openings(const struct remote *r)
{
    return r->breaker.opened;
}

bool remote_is_reachable(struct remote *r)
{
    return breaker_allows(&r->breaker, now_ms(r));
}

bool remote_is_doubtful(struct remote *r)
{
    return !remote_is_reachable(r) || r->breaker.failures > 0 ||
           now_ms(r) - r->seen_ms > SILENCE_MS;
}

int64_t remote_seen_ms(const struct remote *r)
{
    return r->seen_ms;
}

int64_t remote_seen_wall_ms(const struct remote *r)
{
    return r->seen_wall_ms;
}

void remote_note_session(struct remote *r)
{
    r->capacity.sessions++;
    if (r->capacity.slots > 0)
        r->capacity.slots--;
}

void remote_note_full(struct remote *r)
{
    r->capacity.slots = 0;
}

/* -- how calls go -- */

/* The remote itself is ill only when nobody answers, or its front door has nobody behind it. */
static bool speaks_for_life(int status, const struct err *err)
{
    return !err && status != 502 && status != 504;
}

/* What the client did says nothing of the remote. */
static bool speaks_for_death(int status, const struct err *err)
{
    if (!err)
        return status == 502 || status == 504;
    return err->code == ERR_UNAVAILABLE || err->code == ERR_UPSTREAM || err->code == ERR_DEADLINE;
}

/* A front door that answers for gateways that are gone is no success. */
static const char *outcome_of(int status, const struct err *err)
{
    if (err)
        return err_wire_name(err->code);
    if (speaks_for_death(status, err))
        return "no_gateway";
    return status >= 500 ? "refused" : "ok";
}

void remote_note_call(struct remote *r, const char *operation, int64_t begun_ms, int status,
                      const struct err *err)
{
    uint64_t draw;
    if (speaks_for_life(status, err)) {
        if (r->breaker.state != BREAKER_CLOSED)
            LOG(LOG_INFO, "remote_back", KV("remote", r->conf.name));
        breaker_succeeded(&r->breaker);
        r->seen_ms = now_ms(r);
        r->seen_wall_ms = world_wall_ms(r->all->world);
    } else if (speaks_for_death(status, err)) {
        world_random(r->all->world, &draw, sizeof(draw));
        if (breaker_failed(&r->breaker, now_ms(r), draw))
            LOG(LOG_WARN, "remote_given_up", KV("remote", r->conf.name),
                KV("error", err ? err->msg : "no gateway behind its front door"));
    }
    if (r->all->watch)
        r->all->watch(r, operation, outcome_of(status, err), now_ms(r) - begun_ms,
                      r->all->watch_user);
}

/* -- small calls -- */

void remote_fields(const struct remote *r, const char *tenant, const char *epoch,
                   struct remote_fields *out)
{
    out->count = 0;
#define ADD(name, text)                                                                            \
    out->rows[out->count++] = (struct http_header){slice_of(name), slice_of(text)}
    ADD("Authorization", r->authorization);
    ADD("Spillway-Hop", "1");
    ADD("Spillway-Origin", r->all->own_site);
    if (tenant)
        ADD("Spillway-Tenant", tenant);
    if (epoch)
        ADD("Spillway-Epoch", epoch);
#undef ADD
}

char *remote_url(const struct remote *r, const char *target)
{
    size_t len = strlen(r->conf.url);
    if (len > 0 && r->conf.url[len - 1] == '/')
        len--;
    return mem_format("%.*s%s", (int)len, r->conf.url, target);
}

struct http_call_tls remote_tls(const struct remote *r)
{
    return (struct http_call_tls){r->conf.ca_file, r->conf.cert_file, r->conf.key_file};
}

static void unreachable(const struct remote *r, const char *why, struct err *err)
{
    err_set(err, ERR_SITE_UNREACHABLE, "the site '%s' does not answer: %s", r->conf.name, why);
}

static void on_head(struct http_call *call, const struct http_call_head *head, void *user)
{
    struct remote_call *c = user;
    (void)call;
    c->not_started = slice_eq(http_call_head_get(head, "Spillway-Not-Started"), "1");
    c->spoken = http_call_head_get(head, "Spillway-Reason").len > 0;
    c->full = slice_eq(http_call_head_get(head, "Spillway-Reason"), "capacity_full");
}

static void on_done(struct http_call *call, const struct http_call_result *result, void *user)
{
    struct remote_call *c = user;
    struct err told;
    (void)call;
    c->call = NULL;
    struct remote_result out = {.status = result->status,
                                .body = result->body,
                                .not_started = c->not_started,
                                .full = c->full};
    bool refused = result->status == 503; /* by whomever: nothing was executed */
    bool nobody = !result->err && (result->status == 502 || result->status == 504 ||
                                   (result->status == 503 && !c->spoken));
    if (result->err || nobody) {
        unreachable(c->remote, result->err ? result->err->msg : "no gateway is there", &told);
        out.status = 0;
        out.err = &told;
        out.not_sent = refused || (result->err && result->err->code == ERR_UNAVAILABLE);
    }
    remote_note_call(c->remote, c->operation, c->begun_ms, nobody ? 502 : result->status,
                     result->err);
    c->done(&out, c->user);
    free(c);
}

static void fail_later(void *user)
{
    struct remote_call *c = user;
    if (!c->cancelled) {
        const struct remote_result out = {.err = &c->early, .not_sent = true};
        c->done(&out, c->user);
    }
    free(c);
}

static int start(struct remote_call *c, const struct remote_request *req)
{
    struct remote *r = c->remote;
    struct remote_fields fields;
    char *lines[LINES_MAX];
    unsigned count = 0;
    remote_fields(r, req->tenant, req->epoch, &fields);
    for (unsigned i = 0; i < fields.count; i++)
        lines[count++] = mem_format("%.*s: %.*s", SLICE_ARG(fields.rows[i].name),
                                    SLICE_ARG(fields.rows[i].value));
    if (req->body.len > 0)
        lines[count++] = mem_text("Content-Type: application/json");
    if (req->request_id)
        lines[count++] = mem_format("X-Request-Id: %s", req->request_id);
    char *url CLEANUP(mem_free_text) = remote_url(r, req->target);
    const struct http_call_request out = {
        .method = req->method,
        .url = url,
        .headers = (const char *const *)lines,
        .header_count = count,
        .body = req->body,
        .tls = remote_tls(r),
        .connect_ms = CONNECT_MS,
        .total_ms = req->total_ms,
        .reply_max = req->reply_max ? req->reply_max : REPLY_MAX_DEFAULT,
        .on_head = on_head,
    };
    int rc = http_call_start(r->all->caller, &out, on_done, c, &c->call, &c->early);
    for (unsigned i = 0; i < count; i++)
        free(lines[i]);
    return rc;
}

struct remote_call *remote_call_start(struct remote *r, const struct remote_request *req,
                                      remote_done_f *done, void *user)
{
    struct remote_call *c = mem_alloc(sizeof(*c));
    enum breaker_state state = remote_breaker(r);
    bool may = state == BREAKER_CLOSED || (req->is_probe && state == BREAKER_HALF_OPEN);
    c->remote = r;
    c->operation = req->operation;
    c->done = done;
    c->user = user;
    c->begun_ms = now_ms(r);
    if (!may)
        unreachable(r, "it is being left alone for a moment", &c->early);
    if (!may || start(c, req) < 0) {
        c->deferred = true;
        loop_defer(r->all->loop, fail_later, c);
    }
    return c;
}

void remote_call_cancel(struct remote_call **call)
{
    struct remote_call *c = *call;
    if (!c)
        return;
    *call = NULL;
    if (c->deferred) {
        c->cancelled = true;
        return;
    }
    http_call_cancel(&c->call);
    free(c);
}

/* -- the question for its capacity -- */

static void plan_probe(struct remote *r)
{
    struct world *w = r->all->world;
    int64_t after_ms = PROBE_MS / 2 + (int64_t)world_random_below(w, PROBE_MS);
    if (r->breaker.state == BREAKER_OPEN && r->breaker.retry_ms > now_ms(r))
        after_ms = r->breaker.retry_ms - now_ms(r);
    timer_start(w, r->timer, after_ms, 0);
}

static void on_capacity(const struct remote_result *result, void *user)
{
    struct remote *r = user;
    struct err bad;
    r->probe = NULL;
    struct json_t *j = result->status == 200 ? json_parse_object(result->body, &bad) : NULL;
    if (j) {
        snprintf(r->capacity.state, sizeof(r->capacity.state), "%s",
                 json_get_text(j, "state", "unknown"));
        snprintf(r->capacity.reason, sizeof(r->capacity.reason), "%s",
                 json_get_text(j, "reason", ""));
        r->capacity.slots = json_int(json_get(j, "slots"), -1);
        r->capacity.sessions = json_int(json_get(j, "sessions"), 0);
        r->capacity.told = true;
    } else {
        if (!result->err && strcmp(r->capacity.state, "refused") != 0)
            LOG(LOG_WARN, "remote_refuses", KV("remote", r->conf.name),
                KV("status", result->status));
        snprintf(r->capacity.state, sizeof(r->capacity.state), "%s",
                 result->err ? "unreachable" : "refused");
        r->capacity.slots = result->err ? -1 : 0;
    }
    json_free(j);
    plan_probe(r);
}

static void on_probe_timer(void *user)
{
    struct remote *r = user;
    const struct remote_request req = {.operation = "capacity",
                                       .method = "GET",
                                       .target = "/internal/v1/capacity",
                                       .total_ms = PROBE_TOTAL_MS,
                                       .is_probe = true};
    r->probe = remote_call_start(r, &req, on_capacity, r);
}

/* -- life -- */

struct remotes *remotes_new(struct loop *l, struct http_caller *h, const struct remote_conf *confs,
                            size_t count, const char *own_site)
{
    struct remotes *r = mem_alloc(sizeof(*r));
    r->loop = l;
    r->world = loop_world(l);
    r->caller = h;
    r->own_site = mem_text(own_site);
    r->items = mem_array(count + 1, sizeof(*r->items));
    r->count = count;
    for (size_t i = 0; i < count; i++) {
        struct remote *one = &r->items[i];
        one->all = r;
        one->conf = confs[i];
        one->capacity.slots = -1;
        one->authorization = mem_format("Spillway %s", confs[i].token);
        one->timer = timer_new(r->world, on_probe_timer, one);
        timer_start(r->world, one->timer, PROBE_FIRST_MS, 0);
    }
    return r;
}

void remotes_free(struct remotes **at)
{
    struct remotes *r = *at;
    *at = NULL;
    if (!r)
        return;
    for (size_t i = 0; i < r->count; i++) {
        remote_call_cancel(&r->items[i].probe);
        timer_free(r->world, &r->items[i].timer);
        free(r->items[i].authorization);
    }
    free(r->own_site);
    free(r->items);
    free(r);
}
