#include "gateway/remote_recall.h"

#include "base/loop.h"
#include "gateway/remote_forward.h"
#include "gateway/result_reply.h"
#include "gateway/session_table.h"
#include "gateway/store_damage.h"
#include "http/http_reply.h"
#include "router/remote.h"
#include "router/route_record.h"

#include <stdio.h>

#define CALL_MS  4000
#define AGAIN_MS 100

/* It lives there, and its sandbox was not heard yet: no more to wait for than for its readiness. */
static bool may_tell_soon(const struct request *r)
{
    const struct session *s = session_table_get(r->g->sessions, r->id);
    return r->again_step && s && s->remote && !session_is_over(s) &&
           world_now_ms(r->g->world) + AGAIN_MS < r->until_ms;
}

static void on_result(const struct remote_result *result, void *user)
{
    struct request *r = user;
    r->remote_call = NULL;
    if (result->status == 200)
        result_reply_as_told(r, 200, result->body);
    else if (result->status == err_http_status(ERR_EXECUTION_CONFLICT))
        request_problemf(r, ERR_EXECUTION_CONFLICT, "execution %s had another body",
                         r->execution_id);
    else if (result->status == 404)
        r->step(r);
    else if (result->status == 503 && may_tell_soon(r))
        request_sleep(r, AGAIN_MS, r->again_step);
    else
        request_problemf(r, ERR_SITE_UNREACHABLE,
                         "the site that the session ran at before does not answer, so it is not "
                         "known whether '%s' ran",
                         r->execution_id);
}

static void ask(struct request *r, struct remote *remote)
{
    char target[320];
    snprintf(target, sizeof(target),
             "/api/v1/sessions/%s/result?execution_id=%s&fingerprint=%s&limit=%lld", r->id,
             r->execution_id, r->fingerprint, (long long)RESULT_LIMIT_MAX);
    const struct remote_request req = {.operation = "recall",
                                       .method = "GET",
                                       .target = target,
                                       .tenant = r->tenant,
                                       .total_ms = CALL_MS,
                                       .reply_max = RESULT_PAGE_MAX};
    r->remote_call = remote_call_start(remote, &req, on_result, r);
}

void remote_recall_from(struct request *r, const char *site, request_step_f *step)
{
    struct remote *remote = remotes_get(r->g->remotes, site);
    r->step = step;
    if (remote)
        ask(r, remote);
    else
        request_problemf(r, ERR_SITE_UNREACHABLE, "the site '%s' is not known here any more", site);
}

/* The record cannot be read: it has answered that. */
static bool is_unreadable(struct request *r, const struct route_answer *a, const struct err *err)
{
    struct err bad;
    if (err)
        request_problemf(r, ERR_UNAVAILABLE,
                         "the result store does not answer, so it is not known whether '%s' ran",
                         r->execution_id);
    else if (a->damaged) {
        store_damage_err(r->g, "route", r->id, &bad);
        request_problem(r, &bad);
    }
    return err || a->damaged;
}

/* Of the session's last life elsewhere, before a claim that stands too; NULL: it had none. */
static struct remote *site_of(const struct request *r, const struct route_answer *a)
{
    bool same = a->found && strcmp(a->record.tenant, r->tenant) == 0;
    const char *site = !same                              ? ""
                       : a->record.state == ROUTE_PENDING ? a->record.lived
                                                          : a->record.site;
    return *site ? remotes_get(r->g->remotes, site) : NULL;
}

static void on_record(const struct route_answer *a, const struct err *err, void *user)
{
    struct request *r = user;
    if (is_unreadable(r, a, err))
        return;
    struct remote *remote = site_of(r, a);
    if (remote)
        ask(r, remote);
    else
        r->step(r);
}

void remote_recall_start(struct request *r, request_step_f *step, request_step_f *again)
{
    r->step = step;
    r->again_step = again;
    if (remotes_count(r->g->remotes) == 0)
        step(r);
    else
        route_record_get(r->g->routes, r->id, on_record, r);
}

static void on_record_to_pass(const struct route_answer *a, const struct err *err, void *user)
{
    struct request *r = user;
    if (is_unreadable(r, a, err))
        return;
    struct remote *remote = site_of(r, a);
    if (remote)
        remote_forward_start(r, remote, NULL);
    else
        r->step(r);
}

void remote_recall_pass(struct request *r, request_step_f *step)
{
    r->step = step;
    if (r->hop || remotes_count(r->g->remotes) == 0)
        step(r);
    else
        route_record_get(r->g->routes, r->id, on_record_to_pass, r);
}
