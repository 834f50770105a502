/* request_locate.c - where the session of a request is, and what of a request goes to where it is.
 */
#include "gateway/locate.h"
#include "gateway/remote_forward.h"
#include "gateway/request.h"
#include "gateway/session_table.h"
#include "gateway/tombstone.h"
#include "router/remote.h"

static struct remote *site_of(const struct gateway *g, const struct located *where)
{
    const char *site = where->kind == LOCATE_LIVING  ? where->session->site
                       : where->kind == LOCATE_ENDED ? where->tombstone->site
                                                     : "";
    return *site ? remotes_get(g->remotes, site) : NULL;
}

static void take_located(struct request *r, const struct located *where)
{
    struct remote *elsewhere = site_of(r->g, where);
    r->of_past = where->kind == LOCATE_ENDED && !r->would_begin;
    if (elsewhere && r->hop)
        request_problemf(r, ERR_LOOP_DETECTED, "the session '%s' runs at the site '%s'", r->id,
                         remote_name(elsewhere));
    else if (elsewhere && r->forwards)
        remote_forward_start(r, elsewhere, where->session);
    else
        r->on_located(r, where);
}

static void on_located(const struct located *where, const struct err *err, void *user)
{
    struct request *r = user;
    struct err gone;
    if (http_exchange_gone(r->x)) { /* nobody waits: a session would be for nobody */
        err_set(&gone, ERR_REQUEST_TIMEOUT, "the client went away");
        request_problem(r, &gone);
    } else if (err && r->on_unlocated)
        r->on_unlocated(r, err);
    else if (err)
        request_problem(r, err);
    else
        take_located(r, where);
}

static void locate(struct request *r, request_located_f *fn, unsigned how)
{
    struct located where;
    unsigned here = r->hop ? LOCATE_HERE_ONLY : 0;
    r->on_located = fn;
    bool begins = how & LOCATE_TO_BEGIN;
    r->would_begin = begins;
    if (r->hop) /* that site would end the session, or begin it anew: not by what is remembered */
        locate_forget_miss(r->g, r->id);
    bool known = locate_now(r->g, r->id, r->tenant, &where);
    /* It may have begun anew at another site since it ended. */
    bool may_be_old = where.kind == LOCATE_ENDED && remotes_count(r->g->remotes) > 0;
    bool anew = where.kind == LOCATE_ENDED && (how & LOCATE_ANEW);
    if (may_be_old && !begins && !r->hop && session_table_must_check(r->g->sessions, r->id))
        locate_start(r->g, r->id, r->tenant, how | LOCATE_CHECK, on_located, r);
    else if (known && !anew && (!begins || (where.kind != LOCATE_ABSENT && !may_be_old)))
        take_located(r, &where);
    else
        locate_start(r->g, r->id, r->tenant, how | here, on_located, r);
}

void request_locate(struct request *r, request_located_f *fn)
{
    r->forwards = true;
    locate(r, fn, 0);
}

bool request_locates_anew(struct request *r, request_located_f *fn)
{
    if (r->looked_anew)
        return false;
    r->looked_anew = r->forwards = true;
    r->on_located = fn;
    locate_start(r->g, r->id, r->tenant, LOCATE_ANEW | (r->hop ? LOCATE_HERE_ONLY : 0), on_located,
                 r);
    return true;
}

void request_locate_any(struct request *r, request_located_f *fn)
{
    r->forwards = false;
    locate(r, fn, 0);
}

void request_locate_for_beginner(struct request *r, request_located_f *fn)
{
    r->forwards = false;
    locate(r, fn, LOCATE_FOR_BEGINNER | LOCATE_ANEW);
}

void request_locate_dead(struct request *r, request_located_f *fn)
{
    r->forwards = false;
    locate(r, fn, LOCATE_TO_BEGIN);
}

bool request_takes_living(struct request *r, const struct located *where)
{
    if (where->kind == LOCATE_LIVING)
        return true;
    if (where->kind == LOCATE_ENDED)
        request_problemf(r, ERR_SESSION_ENDED, "the session '%s' has ended", r->id);
    else
        request_problemf(r, ERR_SESSION_NOT_FOUND, "there is no session '%s'", r->id);
    return false;
}
