/* hiredis on libuv. Its own adapter is not used: it passes over poll errors, so that a refused
 * connection is never noticed.
 *
 * The rules that keep clear of hiredis's use-after-free reports (its issues 367, 468, 545): a new
 * context for each connection; hiredis says in `cleanup` that a context is ending, and from then on
 * nobody touches it; who ends one himself (drop) calls redisAsyncFree() as the last thing. */
#include "router/redis_link.h"
#include "base/loop.h"
#include "base/mem.h"
#include <fcntl.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <uv.h>

struct redis_link {
    uv_poll_t poll;
    redisAsyncContext *context; /* NULL: ending */
    const struct redis_link_ops *ops;
    void *user;
    bool over; /* the owner has forgotten it */
    int events;
};

/* -- values -- */

static void free_items(struct redis_value *v)
{
    struct redis_value *items = (struct redis_value *)v->items;

    for (size_t i = 0; i < v->count; i++)
        free_items(&items[i]);
    free(items);
}

/* Recursion: hiredis reads at most 9 levels. */
static void read_value(const redisReply *reply, struct redis_value *out)
{
    *out = (struct redis_value){.kind = REDIS_NIL};
    if (reply->type == REDIS_REPLY_INTEGER) {
        out->kind = REDIS_NUMBER;
        out->number = reply->integer;
    } else if (reply->type == REDIS_REPLY_ARRAY) {
        struct redis_value *items = mem_array(reply->elements + 1, sizeof(*items));
        for (size_t i = 0; i < reply->elements; i++)
            read_value(reply->element[i], &items[i]);
        out->kind = REDIS_LIST;
        out->items = items;
        out->count = reply->elements;
    } else if (reply->type != REDIS_REPLY_NIL) {
        out->kind = REDIS_TEXT;
        out->text = (struct slice){reply->str, reply->len};
    }
}

/* -- ends and answers -- */

static void link_ends(struct redis_link *l, const char *why)
{
    if (l->over)
        return;
    l->over = true;
    l->ops->ended(why && why[0] != '\0' ? why : "the connection was closed", l->user);
}

void redis_link_drop(struct redis_link *l)
{
    l->over = true;
    if (l->context)
        redisAsyncFree(l->context); /* the last thing: it may free l */
}

static void on_reply(redisAsyncContext *context, void *given, void *command)
{
    struct redis_link *l = context->ev.data;
    const redisReply *reply = given;
    struct redis_value value;

    if (!reply) {
        link_ends(l, context->errstr);
        l->ops->answered(NULL, NULL, command);
    } else if (reply->type == REDIS_REPLY_ERROR) {
        l->ops->answered(NULL, reply->str, command);
    } else {
        read_value(reply, &value);
        l->ops->answered(&value, NULL, command);
        if (value.kind == REDIS_LIST)
            free_items(&value);
    }
}

bool redis_link_send(struct redis_link *l, const struct slice *args, int count, void *command)
{
    const char *texts[REDIS_ARGS_MAX];
    size_t lengths[REDIS_ARGS_MAX];

    INVARIANT(count > 0 && count <= REDIS_ARGS_MAX);
    if (!l->context)
        return false;
    for (int i = 0; i < count; i++) {
        texts[i] = args[i].at ? args[i].at : "";
        lengths[i] = args[i].len;
    }
    return redisAsyncCommandArgv(l->context, on_reply, command, count, texts, lengths) == REDIS_OK;
}

void redis_link_read(struct redis_link *l)
{
    if (l->context)
        redisAsyncHandleRead(l->context);
}

void redis_link_flush(struct redis_link *l)
{
    if (l->context)
        redisAsyncHandleWrite(l->context);
}

/* -- hiredis's events on the loop -- */

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct redis_link *l = container_of(handle, struct redis_link, poll);

    if (status < 0) /* let hiredis find out and name the cause; libuv polls no more */
        events = UV_READABLE | UV_WRITABLE;
    if (events & UV_WRITABLE)
        redis_link_flush(l);
    if (events & UV_READABLE)
        redis_link_read(l);
    if (status < 0 && l->context && !l->over) {
        link_ends(l, uv_strerror(status));
        redisAsyncFree(l->context);
    }
}

static void poll_for(struct redis_link *l, int events)
{
    if (events == l->events || !l->context)
        return;
    l->events = events;
    if (events)
        uv_poll_start(&l->poll, events, on_poll);
    else
        uv_poll_stop(&l->poll);
}

static void add_read(void *user)
{
    poll_for(user, ((struct redis_link *)user)->events | UV_READABLE);
}

static void del_read(void *user)
{
    poll_for(user, ((struct redis_link *)user)->events & ~UV_READABLE);
}

static void add_write(void *user)
{
    poll_for(user, ((struct redis_link *)user)->events | UV_WRITABLE);
}

static void del_write(void *user)
{
    poll_for(user, ((struct redis_link *)user)->events & ~UV_WRITABLE);
}

static void on_poll_closed(uv_handle_t *handle)
{
    free(container_of((uv_poll_t *)handle, struct redis_link, poll));
}

static void cleanup(void *user)
{
    struct redis_link *l = user;
    redisAsyncContext *context = l->context;

    l->context = NULL;
    uv_close((uv_handle_t *)&l->poll, on_poll_closed);
    link_ends(l, context ? context->errstr : NULL);
}

static void on_connected(const redisAsyncContext *context, int status)
{
    struct redis_link *l = context->ev.data;

    if (l->over)
        return;
    if (status != REDIS_OK)
        link_ends(l, context->errstr);
    else
        l->ops->connected(l->user);
}

static struct redis_link *attach(struct loop *loop, redisAsyncContext *context)
{
    struct redis_link *l = mem_alloc(sizeof(*l));

    if (uv_poll_init(loop_uv(loop), &l->poll, context->c.fd) != 0) {
        free(l);
        return NULL;
    }
    fcntl(context->c.fd, F_SETFD, FD_CLOEXEC);
    l->context = context;
    context->ev.data = l;
    context->ev.addRead = add_read;
    context->ev.delRead = del_read;
    context->ev.addWrite = add_write;
    context->ev.delWrite = del_write;
    context->ev.cleanup = cleanup;
    return l;
}

struct redis_link *redis_link_new(struct loop *loop, const char *path, const char *address,
                                  int port, const struct redis_link_ops *ops, void *user,
                                  struct err *err)
{
    redisAsyncContext *context =
        *path ? redisAsyncConnectUnix(path) : redisAsyncConnect(address, port);
    struct redis_link *l = NULL;

    INVARIANT(context); /* NULL: out of memory */
    if (context->err == 0)
        l = attach(loop, context);
    if (!l) {
        (void)err_set(err, ERR_STORE, "%s",
                      context->err ? context->errstr : "the socket cannot be polled");
        redisAsyncFree(context);
        return NULL;
    }
    l->ops = ops;
    l->user = user;
    redisAsyncSetConnectCallback(context, on_connected);
    return l;
}
