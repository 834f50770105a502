#include "gateway/sessions_api.h"

#include "base/json.h"
#include "base/loop.h"
#include "gateway/ending.h"
#include "gateway/locate.h"
#include "gateway/placement.h"
#include "gateway/remote_delete.h"
#include "gateway/remote_session.h"
#include "gateway/request.h"
#include "gateway/session_table.h"
#include "gateway/session_text.h"
#include "gateway/session_view.h"
#include "gateway/tender.h"
#include "http/http_reply.h"

#include <stdio.h>
#include <stdlib.h>

#define PLACE_WAIT_MS 6500 /* we answer, before nginx gives up (FRONT_ANSWER) */

static void reply_session(struct request *r, int status, struct session *s)
{
    if (session_is_remote(s)) /* what its site showed lies behind a pointer */
        request_reply_json(r, status, session_view(s, r->g->conf.site));
    else
        request_reply(r, status, "application/json", session_text(s, r->g->conf.site));
}

/* -- create -- */

static void reply_created(struct request *r, bool created)
{
    char location[128];
    snprintf(location, sizeof(location), "/api/v1/sessions/%s", r->id);
    if (created)
        http_reply_header(r->x, "Location", location);
    reply_session(r, created ? 201 : 200, r->s);
}

static void locate_again(struct request *r);

static void wait_placed(struct request *r)
{
    struct session *s = r->s;
    if (s->failure) {
        request_problem(r, s->failure);
    } else if (s->superseded) {
        session_unref(s);
        r->s = NULL;
        locate_again(r);
    } else if (session_state(s) != SESSION_PENDING) {
        reply_created(r, r->placed && placement_was_created(s));
    } else if (r->timed_out) {
        request_problemf(r, ERR_UNAVAILABLE, "the cluster did not answer in time");
    } else {
        request_wait(r, s, wait_placed);
    }
}

static void create_again(struct request *r, struct session *s)
{
    if (!r->s)
        r->s = session_ref(s); /* the answer says where it is */
    if (session_state(s) == SESSION_STOPPING || s->pod_deleting) {
        request_problemf(r, ERR_SESSION_STOPPING, "the session '%s' is still stopping", r->id);
    } else if (!session_request_matches(r->create, &r->g->keys, s->fingerprint)) {
        request_problemf(r, ERR_SESSION_CONFLICT,
                         "the session '%s' exists and was made by another request", r->id);
    } else {
        if (!session_is_started(s) && r->create->env && !s->env) {
            /* The creator may have died with the variables: here they are again. */
            s->env = json_ref(r->create->env);
            if (s->tender)
                tender_poke(s->tender);
        }
        r->until_ms = r->begun_ms + PLACE_WAIT_MS;
        request_wait(r, s, wait_placed);
        session_table_changed(r->g->sessions, s);
    }
}

static void create_located(struct request *r, const struct located *where);

static void locate_again(struct request *r)
{
    r->timed_out = false;
    request_locate_dead(r, create_located);
}

static void begin_session(struct request *r, bool again)
{
    struct err err;
    r->create->spec.again = again;
    struct session *s = placement_start(r->g, r->id, r->tenant, r->create, false, &err);
    if (!s) {
        if (!request_retries(r, &err, locate_again))
            request_problem(r, &err);
        return;
    }
    locate_forget_miss(r->g, r->id);
    r->placed = true;
    r->until_ms = r->begun_ms + PLACE_WAIT_MS;
    request_wait(r, s, wait_placed);
}

/* What is known of a session at another site may be old. */
static void create_fresh(struct request *r)
{
    if (!session_is_over(r->s)) {
        create_again(r, r->s);
        return;
    }
    session_unref(r->s);
    r->s = NULL;
    locate_again(r);
}

static void create_located(struct request *r, const struct located *where)
{
    if (where->kind == LOCATE_LIVING && where->session->remote)
        request_fresh(r, where->session, create_fresh);
    else if (where->kind == LOCATE_LIVING)
        create_again(r, where->session);
    else if (where->kind == LOCATE_FOREIGN)
        request_problemf(r, ERR_SESSION_CONFLICT, "the id is in use");
    else
        begin_session(r, where->kind == LOCATE_ENDED || where->past);
}

static void create_session(struct request *r)
{
    r->create->is_new_id = r->is_new_id;
    if (r->is_new_id)
        begin_session(r, false);
    else
        request_locate_dead(r, create_located);
}

/* Path, body, X-Session-Id, Idempotency-Key, nginx, ourselves; two unequal explicit ones are
 * refused. */
static int choose_id(struct request *r, struct err *err)
{
    const char *in_body = r->create->session_id;
    struct slice key = http_head_get(http_exchange_head(r->x), "Idempotency-Key");
    char checked[EXECUTION_ID_SIZE];
    if (*in_body && *r->explicit_id && strcmp(in_body, r->explicit_id) != 0)
        return err_set(err, ERR_ID_MISMATCH, "the body names '%s', the request '%s'", in_body,
                       r->explicit_id);
    if (key.at && session_id_check_name(key, "Idempotency-Key", checked, err) < 0)
        return -ERR_INVALID_ID;
    if (*in_body || *r->explicit_id)
        snprintf(r->id, sizeof(r->id), "%s", *in_body ? in_body : r->explicit_id);
    else
        request_take_new_id(r, key);
    http_exchange_set_session_id(r->x, r->id);
    return 0;
}

static void with_body(struct request *r, enum session_cleanup cleanup)
{
    const struct session_request_defaults defaults = {
        .environments = r->g->environments,
        .environment = r->g->conf.default_environment,
        .runtime_class = r->g->conf.runtime_class,
        .cleanup = cleanup,
        .limits = &r->g->conf.limits,
    };
    struct err err;
    int rc = request_check_json(r, &err);
    if (rc == 0)
        rc = request_read_create(r, buf_slice(&r->body), &defaults, &err);
    if (rc == 0)
        rc = choose_id(r, &err);
    if (rc < 0)
        request_problem(r, &err);
    else
        create_session(r);
}

static void with_body_idle(struct request *r)
{
    with_body(r, SESSION_CLEANUP_IDLE);
}

static void with_body_completion(struct request *r)
{
    with_body(r, SESSION_CLEANUP_COMPLETION);
}

static void collect(struct http_exchange *x, const struct http_route_match *m, struct slice path_id,
                    struct gateway *g, request_step_f *step)
{
    struct request *r = request_open(g, x, m, path_id, REQUEST_TENANT | REQUEST_READY);
    if (r)
        request_collect(r, (size_t)g->conf.limits.create_body_bytes, step);
}

void sessions_api_create(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    collect(x, m, (struct slice){0}, user, with_body_idle);
}

void sessions_api_create_short(struct http_exchange *x, const struct http_route_match *m,
                               void *user)
{
    collect(x, m, m->params[0], user, with_body_completion);
}

/* -- get -- */

static bool is_reached(const struct session *s, enum session_state wanted)
{
    if (session_is_over(s) || session_state(s) == wanted)
        return true;
    /* Who waits for ready may miss the moment between two executions. */
    return wanted == SESSION_READY && session_state(s) == SESSION_EXECUTING;
}

static void get_located(struct request *r, const struct located *where);

/* What it waited for is another session now. True: it looks for that. */
static bool looks_anew(struct request *r, request_located_f *fn)
{
    if (!r->s->superseded)
        return false;
    session_unref(r->s);
    r->s = NULL;
    if (r->timed_out)
        r->wait_s = 0;
    request_locate_any(r, fn);
    return true;
}

/* Its site may have fallen silent meanwhile: what was heard before is no answer. */
static void reply_waited(struct request *r)
{
    struct session *s = r->s;
    bool ours = !session_is_remote(s) || session_state(s) == SESSION_STOPPING;
    if (session_is_over(s) || ours || remote_session_is_fresh(s))
        reply_session(r, 200, s);
    else
        request_problemf(r, ERR_SITE_UNREACHABLE, "the site '%s' does not answer", s->site);
}

static void wait_until(struct request *r)
{
    if (looks_anew(r, get_located))
        return;
    if (r->timed_out || is_reached(r->s, r->until_state))
        reply_waited(r);
    else
        request_wait(r, r->s, wait_until);
}

static void wait_change(struct request *r)
{
    if (!looks_anew(r, get_located))
        reply_waited(r);
}

static void begin_wait(struct request *r, struct session *s)
{
    r->timed_out = false;
    r->until_ms = world_now_ms(r->g->world) + r->wait_s * 1000;
    if (r->wait_s == 0 || (r->has_until && is_reached(s, r->until_state)) || session_is_over(s))
        reply_session(r, 200, s);
    else
        request_wait(r, s, r->has_until ? wait_until : wait_change);
}

static void get_fresh(struct request *r)
{
    if (!looks_anew(r, get_located))
        begin_wait(r, r->s);
}

static void get_located(struct request *r, const struct located *where)
{
    if (where->kind == LOCATE_LIVING)
        request_fresh(r, where->session, get_fresh);
    else if (where->kind == LOCATE_ENDED)
        request_reply_json(r, 200, json_ref(where->tombstone->view));
    else
        request_problemf(r, ERR_SESSION_NOT_FOUND, "there is no session '%s'", r->id);
}

static int read_wait(struct request *r, struct err *err)
{
    struct slice query = http_exchange_head(r->x)->query;
    char word[16] = "";
    int bad = 0;
    int rc =
        http_query_int(query, "wait", 0, r->g->conf.limits.wait_max_ms / 1000, &r->wait_s, err);
    if (rc < 0)
        return rc;
    r->has_until = http_query_get(query, "until", word, sizeof(word), &bad);
    if (bad || (r->has_until && !session_state_from_word(word, &r->until_state)))
        return err_set(err, ERR_INVALID_ARGUMENT, "until is a status, such as 'ready'");
    return 0;
}

void sessions_api_get(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct request *r = request_open(user, x, m, m->params[0], REQUEST_TENANT | REQUEST_READY);
    struct err err;
    if (!r)
        return;
    if (read_wait(r, &err) < 0)
        request_problem(r, &err);
    else
        request_locate_any(r, get_located);
}

/* -- delete -- */

static void reply_stopping(struct request *r, int status, const char *word, const char *message)
{
    request_reply_json(
        r, status,
        json_build("{s:s,s:s,s:s}", "session_id", r->id, "status", word, "message", message));
}

static void delete_living(struct request *r);

static void begin_delete(struct request *r, struct session *s)
{
    bool on_its_way = session_state(s) == SESSION_PENDING || s->handover;
    if (!r->s)
        r->s = session_ref(s); /* the answer says where it is */
    if (on_its_way && !r->timed_out) {
        /* Its create is on the way to the cluster: first see what becomes of it. */
        r->until_ms = r->begun_ms + PLACE_WAIT_MS;
        request_wait(r, s, delete_living);
    } else if (on_its_way) {
        request_problemf(r, ERR_UNAVAILABLE, "the cluster did not answer in time");
    } else if (s->remote) {
        remote_delete_session(r, s);
    } else if (session_is_over(s)) {
        reply_stopping(r, 200, session_state_word(session_state(s)), "the session has ended");
    } else {
        ending_start(r->g, s, ENDING_DELETED);
        reply_stopping(r, 202, "stopping", "the session is stopping");
    }
}

static void delete_located(struct request *r, const struct located *where);

static void delete_living(struct request *r)
{
    if (!looks_anew(r, delete_located))
        begin_delete(r, r->s);
}

static void delete_located(struct request *r, const struct located *where)
{
    if (where->kind == LOCATE_LIVING)
        begin_delete(r, where->session);
    else if (where->kind == LOCATE_ENDED)
        reply_stopping(r, 200, json_get_text(where->tombstone->view, "status", "stopped"),
                       "the session has ended");
    else
        request_problemf(r, ERR_SESSION_NOT_FOUND, "there is no session '%s'", r->id);
}

void sessions_api_delete(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct request *r = request_open(user, x, m, m->params[0], REQUEST_TENANT | REQUEST_READY);
    if (r) {
        r->on_unlocated = remote_delete_unlocated;
        request_locate_any(r, delete_located);
    }
}
