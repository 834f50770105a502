#include "gateway/remote_session.h"

#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "clusters/kube_object.h"
#include "gateway/gateway.h"
#include "gateway/record_closer.h"
#include "gateway/remote_lookup.h"
#include "gateway/session_table.h"
#include "router/remote.h"
#include "router/route_record.h"

#include <stdio.h>
#include <stdlib.h>

#define POLL_S        10
#define POLL_SLACK_MS 3000
#define WANTED_MS     15000 /* behind the last question */
#define RETRY_MS      300
#define FORGET_MS     300000 /* what nobody asked for */
#define LOOK_MS       60000  /* what has no record is looked at, so that its end is seen */

struct remote_session {
    struct gateway *g;
    struct session *s; /* whose part this is */
    struct remote *remote;
    struct remote_call *call;
    struct timer *timer;
    char version[DIGEST_HEX]; /* of the view, as its site names it */
    bool synced;              /* the site has answered since this copy was last let go stale */
    bool recorded, recording;
    int64_t wanted_until_ms, asked_ms, failed_ms, looked_ms;
};

static void poll(struct remote_session *r);

static int64_t now_ms(const struct remote_session *r)
{
    return world_now_ms(r->g->world);
}

/* -- the record -- */

struct errand {
    struct session *s;
};

/* Its clients see it at once; its site will hear of it. */
static void show_stopping(struct session *s)
{
    if (session_state(s) == SESSION_STOPPING)
        return;
    if (s->view) {
        struct json_t *view = json_copy(s->view);
        json_set_text(view, "status", session_state_word(SESSION_STOPPING));
        json_set_text(view, "reason", "deleted");
        json_free(s->view);
        s->view = view;
    }
    fsm_move(&s->fsm, SESSION_STOPPING);
    session_table_changed(s->remote->g->sessions, s);
}

static void on_recorded(const struct route_answer *a, const struct err *err, void *user)
{
    struct errand *e = user;
    struct session *s = e->s;
    if (s->remote) {
        s->remote->recording = false;
        bool same = !err && (!a->found || strcmp(a->record.epoch, s->epoch) == 0);
        s->remote->recorded = same; /* an earlier life's has still to be closed */
        if (same && a->found && a->record.state == ROUTE_CLOSING)
            show_stopping(s); /* another gateway ends it */
    }
    session_unref(s);
    free(e);
}

static struct route_record row_of(const struct session *s, enum route_state state)
{
    struct route_record row = {.state = state};
    snprintf(row.site, sizeof(row.site), "%s", s->site);
    snprintf(row.epoch, sizeof(row.epoch), "%s", s->epoch);
    snprintf(row.tenant, sizeof(row.tenant), "%s", s->tenant);
    snprintf(row.fingerprint, sizeof(row.fingerprint), "%s", s->fingerprint);
    return row;
}

static void record(struct gateway *g, struct session *s, enum route_state state, const char *claim)
{
    struct route_record row = row_of(s, state);
    struct errand *e = mem_alloc(sizeof(*e));
    e->s = session_ref(s);
    s->remote->recording = true;
    record_closer_watch(g, s->site, s->id, s->epoch);
    route_record_write(g->routes, s->id, &row, *claim ? claim : NULL, on_recorded, e);
}

/* -- what the site shows -- */

static void copy_text(char *out, size_t size, const char *text)
{
    snprintf(out, size, "%s", text ? text : "");
}

static void read_view(struct session *s, const struct json_t *view)
{
    const char *expires = json_get_text(view, "expires_at", NULL);
    copy_text(s->spec.environment, sizeof(s->spec.environment),
              json_get_text(view, "environment", ""));
    copy_text(s->spec.placement_reason, sizeof(s->spec.placement_reason),
              json_get_text(json_get(view, "placement"), "reason", ""));
    s->spec.cleanup = slice_eq(slice_of(json_get_text(view, "cleanup", "completion")), "idle")
                          ? SESSION_CLEANUP_IDLE
                          : SESSION_CLEANUP_COMPLETION;
    copy_text(s->last_execution, sizeof(s->last_execution),
              json_get_text(view, "last_execution", ""));
    copy_text(s->reason, sizeof(s->reason), json_get_text(view, "reason", ""));
    if (expires)
        kube_time_parse(expires, &s->deadline_wall_ms);
}

static bool is_started(enum session_state state)
{
    return state == SESSION_READY || state == SESSION_EXECUTING;
}

/* The ends themselves come with the tombstone. */
static void follow(struct session *s, enum session_state want)
{
    bool over = want == SESSION_STOPPED || want == SESSION_ERROR;
    if (over)
        want = SESSION_STOPPING;
    if (session_state(s) == SESSION_PENDING && want != SESSION_PENDING)
        fsm_move(&s->fsm, SESSION_CREATING);
    if (session_state(s) != want && fsm_may_move(&s->fsm, (int)want))
        fsm_move(&s->fsm, (int)want);
}

static bool equals(const struct json_t *a, const struct json_t *b)
{
    struct buf left, right;
    if (!a || !b)
        return a == b;
    buf_init(&left, TOMBSTONE_BYTES_MAX);
    buf_init(&right, TOMBSTONE_BYTES_MAX);
    json_print(a, &left);
    json_print(b, &right);
    bool same = left.len == right.len && memcmp(left.data, right.data, left.len) == 0;
    buf_fini(&left);
    buf_fini(&right);
    return same;
}

void remote_session_see(struct session *s, struct json_t *view)
{
    struct remote_session *r = s->remote;
    enum session_state state;
    if (!r || !session_state_from_word(json_get_text(view, "status", ""), &state))
        return;
    if (session_state(s) == SESSION_STOPPING && is_started(state))
        return; /* it was ended here, and its site will hear of it */
    bool changed = !equals(s->view, view);
    json_free(s->view);
    s->view = json_ref(view);
    read_view(s, view);
    s->activity.started = is_started(state);
    s->activity_seen_ms = now_ms(r) > 0 ? now_ms(r) : 1;
    follow(s, state);
    if (changed)
        session_table_changed(r->g->sessions, s);
}

void remote_session_saw_execution(struct session *s, const char *execution_id, bool running)
{
    if (!s->remote || !s->view || !is_started(session_state(s)))
        return;
    struct json_t *view = json_copy(s->view);
    json_set_text(view, "last_execution", execution_id);
    if (running)
        json_set_text(view, "status", session_state_word(SESSION_EXECUTING));
    remote_session_see(s, view);
    json_free(view);
}

/* -- the long-poll -- */

static void take_words(struct session *s, struct slice body)
{
    struct err bad;
    struct remote_session *r = s->remote;
    struct gateway *g = r->g;
    struct remote *remote = r->remote;
    struct json_t *words = json_parse_object(body, &bad);
    if (words) {
        copy_text(r->version, sizeof(r->version), json_get_text(words, "version", ""));
        r->synced = true;
        remote_lookup_adopt(g, remote, words); /* its end takes r away */
    }
    json_free(words);
}

/* Somebody asked a short while ago, or waits for a change. */
static bool is_wanted(const struct remote_session *r)
{
    return now_ms(r) < r->wanted_until_ms || session_has_waiters(r->s);
}

static void stay_or_rest(struct session *s, bool was_synced)
{
    struct remote_session *r = s->remote;
    if (!r)
        return;
    if (is_wanted(r))
        poll(r);
    else
        r->synced = false;
    if (!was_synced) /* who waits for a fresh word has it, also when that is the old one */
        session_table_changed(r->g->sessions, s);
}

static void on_failed(struct remote_session *r)
{
    r->synced = false;
    r->failed_ms = now_ms(r);
    session_table_changed(r->g->sessions, r->s);
    if (is_wanted(r))
        timer_start(r->g->world, r->timer, RETRY_MS, 0);
}

static void on_polled(const struct remote_result *result, void *user)
{
    struct remote_session *r = user;
    struct session *s = session_ref(r->s);
    bool was_synced = r->synced;
    r->call = NULL;
    if (result->status == 200) {
        take_words(s, result->body);
        stay_or_rest(s, was_synced);
    } else if (result->status == 404) {
        remote_session_end(s, NULL);
    } else {
        on_failed(r);
    }
    session_unref(s);
}

static void poll(struct remote_session *r)
{
    char target[256];
    int wait_s = r->synced ? POLL_S : 0;
    if (r->call)
        return;
    timer_stop(r->g->world, r->timer);
    snprintf(target, sizeof(target), "/internal/v1/sessions/%s?wait=%d&seen=%s", r->s->id, wait_s,
             r->version);
    const struct remote_request req = {.operation = wait_s > 0 ? "watch" : "lookup",
                                       .method = "GET",
                                       .target = target,
                                       .tenant = r->s->tenant,
                                       .total_ms = wait_s * 1000 + POLL_SLACK_MS,
                                       .reply_max = TOMBSTONE_BYTES_MAX + 4096};
    r->call = remote_call_start(r->remote, &req, on_polled, r);
}

static void on_timer(void *user)
{
    poll(user);
}

void remote_session_want(struct session *s)
{
    struct remote_session *r = s->remote;
    if (!r)
        return;
    r->asked_ms = now_ms(r);
    r->wanted_until_ms = r->asked_ms + WANTED_MS;
    if (r->synced && remote_is_doubtful(r->remote)) {
        /* The long-poll may wait for an answer that will not come. */
        r->synced = false;
        remote_call_cancel(&r->call);
    }
    int64_t pause_ms = r->failed_ms > 0 ? r->failed_ms + RETRY_MS - now_ms(r) : 0;
    if (pause_ms <= 0)
        poll(r);
    else if (!r->call) /* who waits is woken by each failure, and wants it again: not at once */
        timer_start(r->g->world, r->timer, pause_ms, 0);
}

bool remote_session_is_fresh(const struct session *s)
{
    const struct remote_session *r = s->remote;
    return r && r->synced && r->call && !remote_is_doubtful(r->remote);
}

bool remote_session_has_failed(const struct session *s, int64_t since_ms)
{
    const struct remote_session *r = s->remote;
    return r && (r->failed_ms >= since_ms || !remote_is_reachable(r->remote));
}

struct remote *remote_session_site(const struct session *s)
{
    return s->remote ? s->remote->remote : NULL;
}

/* -- life -- */

void remote_session_attach(struct gateway *g, struct session *s, struct remote *remote,
                           const char *claim)
{
    struct remote_session *r = mem_alloc(sizeof(*r));
    r->g = g;
    r->s = s;
    r->remote = remote;
    r->timer = timer_new(g->world, on_timer, r);
    r->asked_ms = r->looked_ms = world_now_ms(g->world);
    s->remote = r;
    snprintf(s->site, sizeof(s->site), "%s", remote_name(remote));
    record(g, s, ROUTE_ACTIVE, claim);
}

void remote_session_free(struct remote_session **at)
{
    struct remote_session *r = *at;
    if (!r)
        return;
    *at = NULL;
    remote_call_cancel(&r->call);
    timer_free(r->g->world, &r->timer);
    free(r);
}

void remote_session_close(struct session *s)
{
    struct remote_session *r = s->remote;
    if (!r || session_state(s) == SESSION_STOPPING)
        return;
    show_stopping(s);
    record(r->g, s, ROUTE_CLOSING, "");
}

void remote_session_end(struct session *s, struct tombstone *tomb)
{
    struct gateway *g = s->remote->g;
    const char *status = json_get_text(tomb ? tomb->view : NULL, "status", "stopped");
    session_ref(s);
    if (tomb) {
        json_free(s->view);
        s->view = json_ref(tomb->view);
        copy_text(s->reason, sizeof(s->reason), json_get_text(tomb->view, "reason", ""));
    }
    if (session_state(s) != SESSION_STOPPING)
        fsm_move(&s->fsm, SESSION_STOPPING);
    fsm_move(&s->fsm, slice_eq(slice_of(status), "error") ? SESSION_ERROR : SESSION_STOPPED);
    LOG(LOG_INFO, "remote_session_ended", KV("session", s->id), KV("site", (const char *)s->site),
        KV("reason", (const char *)s->reason));
    struct route_record row = row_of(s, ROUTE_GONE);
    record_closer_end(g, s->id, &row);
    remote_session_free(&s->remote);
    session_table_remove(g->sessions, s, tomb);
    session_unref(s);
}

void remote_session_record(struct session *s)
{
    bool stopping = session_state(s) == SESSION_STOPPING;
    record(s->remote->g, s, stopping ? ROUTE_CLOSING : ROUTE_ACTIVE, "");
}

void remote_session_sweep(struct session *s)
{
    struct remote_session *r = s->remote;
    int64_t now = now_ms(r);
    if (!r->recorded && !r->recording)
        remote_session_record(s);
    if (r->recorded && now - r->asked_ms > FORGET_MS && !r->call && !session_has_waiters(s)) {
        struct gateway *g = r->g;
        remote_session_free(&s->remote);
        session_table_remove(g->sessions, s, NULL);
    } else if (!r->call && now - r->looked_ms > LOOK_MS) {
        r->looked_ms = now;
        poll(r);
    }
}
