#include "sandbox/package_door.h"

#include "base/json.h"
#include "base/mem.h"
#include "http/http_reply.h"
#include "http/problem.h"
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#define ASKS_MAX   16 /* installers ask one thing after the other */
#define TARGET_MAX ((size_t)2048)
#define ACCEPT_MAX ((size_t)512)

struct package_ask {
    struct package_door *door;
    int64_t id;
    struct http_exchange *x;     /* the installer's; NULL: it has gone */
    struct http_exchange *giver; /* the gateway's, while the answer comes; NULL: not yet */
    struct package_ask *prev, *next;
};

static void free_ask(struct package_ask *a)
{
    DL_DELETE(a->door->asks, a);
    a->door->ask_count--;
    free(a);
}

static void set_trouble(struct package_door *d, const char *why)
{
    snprintf(d->trouble, sizeof(d->trouble), "%s", why);
}

/* -- the installer's side -- */

static void on_gone(struct http_exchange *x, void *user)
{
    struct package_ask *a = user;
    if (http_reply_begun(x))
        http_reply_abort(x);
    else
        problem_replyf(x, ERR_BAD_REQUEST, "the installer has gone");
    a->x = NULL;
    if (a->giver)
        http_exchange_resume(a->giver); /* the rest is read over */
    else
        free_ask(a);
}

static void serve(struct http_exchange *x, void *user)
{
    struct package_door *d = user;
    const struct http_head *head = http_exchange_head(x);
    if (head->method != HTTP_METHOD_GET || head->target.len > TARGET_MAX ||
        http_head_get(head, "Accept").len > ACCEPT_MAX || d->ask_count >= ASKS_MAX) {
        problem_replyf(x, ERR_FORBIDDEN, "this is no installer's question");
        return;
    }
    struct package_ask *a = mem_alloc(sizeof(*a));
    *a = (struct package_ask){.door = d, .id = ++d->last_id, .x = x};
    DL_APPEND(d->asks, a);
    d->ask_count++;
    http_exchange_on_gone(x, on_gone, a);
    d->changed(d->user);
}

int package_door_open(struct package_door *d, struct loop *l, struct err *err)
{
    struct http_server_conf conf = HTTP_SERVER_CONF_DEFAULT;
    conf.server_name = "packages";
    conf.connections_max = ASKS_MAX;
    d->server = http_server_new(l, &conf, serve, d);
    int rc = http_server_listen(d->server, "127.0.0.1:0", err);
    if (rc < 0)
        http_server_free(&d->server);
    return rc;
}

bool package_door_is_open(const struct package_door *d)
{
    return d->server != NULL;
}

int package_door_port(const struct package_door *d)
{
    return http_server_port(d->server);
}

void package_door_close(struct package_door *d)
{
    if (!d->server)
        return;
    http_server_free(&d->server); /* every question hears that its client is gone */
    d->changed(d->user);
}

/* -- the gateway's side -- */

static struct package_ask *find(const struct package_door *d, int64_t id)
{
    struct package_ask *a;
    DL_FOREACH(d->asks, a)
    {
        if (a->id == id && a->x && !a->giver)
            return a;
    }
    return NULL;
}

struct json_t *package_door_wanted(const struct package_door *d)
{
    struct package_ask *a;
    DL_FOREACH(d->asks, a)
    {
        if (!a->x || a->giver)
            continue;
        const struct http_head *head = http_exchange_head(a->x);
        struct slice accept = http_head_get(head, "Accept");
        struct json_t *j = json_new_object();
        json_set_int(j, "id", a->id);
        json_set(j, "target", json_new_text_n(head->target.at, head->target.len));
        json_set(j, "accept", json_new_text_n(accept.at ? accept.at : "", accept.len));
        return j;
    }
    return NULL;
}

static void on_drained(struct http_exchange *x, void *user)
{
    const struct package_ask *a = user;
    (void)x;
    if (a->giver)
        http_exchange_resume(a->giver);
}

static void on_data(struct http_exchange *giver, struct slice piece, void *user)
{
    struct package_ask *a = user;
    if (!a->x || http_reply_write(a->x, piece) <= HTTP_REPLY_HIGH_WATER || http_exchange_gone(a->x))
        return;
    http_exchange_pause(giver);
    http_reply_on_drain(a->x, on_drained, a);
}

static void on_end(struct http_exchange *giver, const struct err *err, void *user)
{
    struct package_ask *a = user;
    if (err) {
        set_trouble(a->door, "the index's answer broke off");
        problem_reply(giver, err);
    } else {
        http_reply(giver, 204, NULL, (struct slice){0});
    }
    if (a->x && err)
        http_reply_abort(a->x);
    else if (a->x)
        http_reply_end(a->x);
    free_ask(a);
}

static const struct http_body_events GIVEN = {on_data, on_end};

static void pass_field(struct http_exchange *x, const struct http_head *from, const char *name)
{
    struct slice value = http_head_get(from, name);
    if (!value.at)
        return;
    char *text = mem_text_n(value.at, value.len);
    http_reply_header(x, name, text);
    free(text);
}

void package_door_give(struct package_door *d, int64_t id, int status, struct http_exchange *giver)
{
    struct package_ask *a = find(d, id);
    if (!a) {
        problem_replyf(giver, ERR_NOT_FOUND, "nobody asks that any more");
        return;
    }
    const struct http_head *head = http_exchange_head(giver);
    a->giver = giver;
    pass_field(a->x, head, "Content-Type");
    pass_field(a->x, head, "Location");
    http_reply_begin(a->x, status, head->content_length);
    http_exchange_stream(giver, &GIVEN, a);
}

int package_door_refuse(struct package_door *d, int64_t id, int status, const char *why,
                        struct err *err)
{
    struct package_ask *a = find(d, id);
    if (!a)
        return err_set(err, ERR_NOT_FOUND, "nobody asks that any more");
    set_trouble(d, why);
    http_reply(a->x, status, "text/plain", slice_of(why));
    free_ask(a);
    return 0;
}
