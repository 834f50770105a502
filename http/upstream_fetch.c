/* upstream_fetch.c - a small call whose answer is wanted whole. */
#include "http/upstream.h"

#include "base/mem.h"
#include "http/upstream_pool.h"
#include <stdlib.h>

struct upstream_fetch {
    struct upstream_call *call;
    upstream_fetched_f *fn;
    void *user;
    int status;
    struct buf body;
};

static void fetch_free(struct upstream_fetch *f)
{
    buf_fini(&f->body);
    free(f);
}

static void fail(struct upstream_fetch *f, const struct err *err, bool sent)
{
    f->fn(0, (struct slice){NULL, 0}, err, sent, f->user);
    fetch_free(f);
}

static void on_head(struct upstream_call *c, const struct http_head *head, void *user)
{
    struct upstream_fetch *f = user;
    (void)c;
    f->status = head->status;
}

static void on_data(struct upstream_call *c, struct slice piece, void *user)
{
    struct upstream_fetch *f = user;
    struct err err;
    (void)c;
    if (buf_add(&f->body, piece.at, piece.len))
        return;
    err_set(&err, ERR_UPSTREAM, "the answer is longer than %zu bytes", f->body.max);
    upstream_cancel(&f->call);
    fail(f, &err, true);
}

static void on_end(struct upstream_call *c, void *user)
{
    struct upstream_fetch *f = user;
    (void)c;
    f->fn(f->status, buf_slice(&f->body), NULL, true, f->user);
    fetch_free(f);
}

static void on_fail(struct upstream_call *c, const struct err *err, bool sent, void *user)
{
    (void)c;
    fail(user, err, sent);
}

static void dropped(void *user)
{
    fetch_free(user);
}

static const struct upstream_events EVENTS = {on_head, on_data, on_end, on_fail, NULL};

int upstream_fetch_start(struct upstream *u, const struct upstream_target *target,
                         const struct upstream_request *req, size_t body_max,
                         upstream_fetched_f *fn, void *user, struct upstream_fetch **out,
                         struct err *err)
{
    struct upstream_fetch *f = mem_alloc(sizeof(*f));
    for (unsigned i = 0; i < req->header_count; i++)
        INVARIANT(http_text_is_clean(req->headers[i].value));
    f->fn = fn;
    f->user = user;
    buf_init(&f->body, body_max);
    int rc = upstream_start(u, target, req, &EVENTS, f, &f->call, err);
    if (rc < 0) {
        fetch_free(f);
        return rc;
    }
    f->call->dropped = dropped;
    *out = f;
    return 0;
}

void upstream_fetch_cancel(struct upstream_fetch **fp)
{
    struct upstream_fetch *f = *fp;
    if (f == NULL)
        return;
    *fp = NULL;
    upstream_cancel(&f->call);
    fetch_free(f);
}
