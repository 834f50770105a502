#include "gateway/executions_api.h"

#include "base/loop.h"
#include "base/mem.h"
#include "gateway/environments.h"
#include "gateway/exec_body.h"
#include "gateway/exec_course.h"
#include "gateway/request.h"
#include "gateway/session_id.h"
#include "http/http_reply.h"

#include <stdio.h>
#include <stdlib.h>

/* -- the request itself -- */

static int check_type(struct request *r, bool text_too, struct err *err)
{
    const struct http_head *head = http_exchange_head(r->x);
    struct slice type;
    if (request_media_type(r, &type, err) < 0)
        return -ERR_UNSUPPORTED_MEDIA_TYPE;
    r->is_text = slice_eq_nocase(type, "text/plain");
    if (!slice_eq_nocase(type, "application/json") && !(text_too && r->is_text))
        return err_set(err, ERR_UNSUPPORTED_MEDIA_TYPE, "code comes as application/json%s",
                       text_too ? ", or as it is as text/plain" : "");
    if (head->content_length > (int64_t)EXEC_BODY_MAX)
        return err_set(err, ERR_PAYLOAD_TOO_LARGE, "the body is larger than %zu bytes",
                       (size_t)EXEC_BODY_MAX);
    if (!http_exchange_has_body(r->x))
        return err_set(err, r->is_text ? ERR_BAD_REQUEST : ERR_BAD_JSON, "there is no code");
    return 0;
}

static int check_fields(struct request *r, struct err *err)
{
    const struct http_head *head = http_exchange_head(r->x);
    struct slice key = http_head_get(head, "Idempotency-Key");
    int rc = http_query_int(head->query, "wait", 0, r->g->conf.limits.wait_max_ms / 1000,
                            &r->wait_s, err);
    if (rc == 0)
        rc = http_query_bool(head->query, "recreate", &r->insists, err);
    if (rc == 0 && key.at)
        rc = session_id_check_name(key, "Idempotency-Key", r->execution_id, err);
    r->key_given = rc == 0 && key.at;
    return rc;
}

/* By whichever of its names: `node` is `nodejs`. */
static void use_language(struct request *r, const char *name)
{
    snprintf(r->language, sizeof(r->language), "%s",
             environments_language(r->g->environments, name));
}

static int check_language(struct request *r, struct slice language, struct err *err)
{
    char name[ENVIRONMENT_LANGUAGE_SIZE];
    if (!session_id_is_language(language))
        return err_set(err, ERR_UNKNOWN_LANGUAGE, "that is no name of a language");
    snprintf(name, sizeof(name), "%.*s", SLICE_ARG(language));
    use_language(r, name);
    return 0;
}

void executions_api_exec(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct gateway *g = user;
    struct request *r = request_open(g, x, m, m->params[0], REQUEST_TENANT | REQUEST_READY);
    struct err err;
    if (!r)
        return;
    r->until_ms = r->begun_ms + g->conf.limits.ready_wait_ms;
    int rc = check_language(r, m->params[1], &err);
    if (rc == 0)
        rc = check_fields(r, &err);
    if (rc == 0)
        rc = check_type(r, true, &err);
    if (rc < 0)
        request_problem(r, &err);
    else
        exec_course_start(r);
}

/* -- the synchronous spelling -- */

/* A body on its way to become one of exec: on the loop, or in another thread. */
struct rewriting {
    struct request *r;
    exec_body_f *how;
    request_step_f *then;
    struct buf body;
    char language[ENVIRONMENT_LANGUAGE_SIZE];
    struct err err;
    int rc;
};

static void rewrite(void *user)
{
    struct rewriting *w = user;
    buf_init(&w->body, EXEC_BODY_MAX + 64);
    w->rc = w->how(buf_slice(&w->r->body), w->language, sizeof(w->language), &w->body, &w->err);
}

static void take_rewritten(void *user)
{
    struct rewriting *w = user;
    struct request *r = w->r;
    if (w->rc < 0) {
        buf_fini(&w->body);
        request_problem(r, &w->err);
    } else {
        use_language(r, w->language);
        buf_fini(&r->body);
        r->body = w->body;
        w->then(r);
    }
    free(w);
}

static void rewrite_body(struct request *r, exec_body_f *how, request_step_f *then)
{
    struct rewriting *w = mem_alloc(sizeof(*w));
    w->r = r;
    w->how = how;
    w->then = then;
    if (r->body.len > LOOP_AT_ONCE_BYTES) {
        loop_work(r->g->loop, rewrite, take_rewritten, w);
    } else {
        rewrite(w);
        take_rewritten(w);
    }
}

static void execute_collected(struct request *r)
{
    rewrite_body(r, exec_body_from_execute, exec_course_start);
}

void executions_api_execute(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct gateway *g = user;
    struct request *r = request_open(g, x, m, m->params[0], REQUEST_TENANT | REQUEST_READY);
    struct err err;
    if (!r)
        return;
    r->until_ms = r->begun_ms + g->conf.limits.ready_wait_ms;
    r->wait_s = g->conf.limits.wait_max_ms / 1000;
    int rc = check_fields(r, &err);
    if (rc == 0)
        rc = check_type(r, false, &err);
    if (rc < 0)
        request_problem(r, &err);
    else
        request_collect(r, EXEC_BODY_MAX, execute_collected);
}

/* -- one-shot: a session of its own, which goes when the run has ended -- */

static void run_rewritten(struct request *r)
{
    char where[96];
    snprintf(where, sizeof(where), "/api/run/%s", r->id);
    http_reply_header(r->x, "Location", where);
    if (r->is_new_id)
        exec_course_start_new(r);
    else
        exec_course_start(r);
}

static void run_collected(struct request *r)
{
    rewrite_body(r, exec_body_from_run, run_rewritten);
}

/* With a key the same session again, and in it the same execution. */
static int choose_run_id(struct request *r, struct err *err)
{
    struct slice key = http_head_get(http_exchange_head(r->x), "Idempotency-Key");
    if (*r->explicit_id)
        return err_set(err, ERR_INVALID_ARGUMENT,
                       "a run has a session of its own: X-Session-Id is not for it");
    request_take_new_id(r, key);
    http_exchange_set_session_id(r->x, r->id);
    return 0;
}

static void run(struct http_exchange *x, const struct http_route_match *m, struct gateway *g,
                int64_t wait_s)
{
    struct request *r = request_open(g, x, m, (struct slice){0}, REQUEST_TENANT | REQUEST_READY);
    struct err err;
    if (!r)
        return;
    r->until_ms = r->begun_ms + g->conf.limits.ready_wait_ms;
    r->wait_s = wait_s;
    r->one_shot = true;
    int rc = check_fields(r, &err);
    if (rc == 0)
        rc = check_type(r, false, &err);
    if (rc == 0)
        rc = choose_run_id(r, &err);
    if (rc < 0)
        request_problem(r, &err);
    else
        request_collect(r, EXEC_BODY_RUN_MAX, run_collected);
}

void executions_api_run(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    run(x, m, user, 0);
}

void executions_api_run_sync(struct http_exchange *x, const struct http_route_match *m, void *user)
{
    struct gateway *g = user;
    run(x, m, g, g->conf.limits.wait_max_ms / 1000);
}
