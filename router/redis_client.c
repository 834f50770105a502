/* hiredis on libuv. Its own adapter is not used: it passes over poll errors, so that a refused
 * connection is never noticed.
 *
 * The rules that keep clear of hiredis's use-after-free reports (its issues 367, 468, 545): a new
 * context for each connection; hiredis says in `cleanup` that a context is ending, and from then on
 * nobody touches it; who ends one himself (drop) first forgets it and answers what waits on it,
 * then calls redisAsyncFree() as the last thing. */
#include "router/redis_client.h"
#include "base/loop.h"
#include "base/mem.h"
#include "router/redis_url.h"
#include <fcntl.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>
#include <uv.h>

#define BACKOFF_FIRST_MS  50
#define BACKOFF_MAX_MS    2000
#define TIMEOUT_MS        1000
#define PENDING_MAX       16384
#define PENDING_BYTES_MAX ((size_t)64 * 1024 * 1024)

/* GREETING: AUTH, SELECT, PING. Only who answers PING is up: a stopped one takes connections. */
#define REDIS_STATES(X)                                                                            \
    X(REDIS, WAITING, FSM_TO(REDIS_RESOLVING) | FSM_TO(REDIS_CONNECTING) | FSM_TO(REDIS_CLOSED))   \
    X(REDIS, RESOLVING, FSM_TO(REDIS_CONNECTING) | FSM_TO(REDIS_WAITING) | FSM_TO(REDIS_CLOSED))   \
    X(REDIS, CONNECTING, FSM_TO(REDIS_GREETING) | FSM_TO(REDIS_WAITING) | FSM_TO(REDIS_CLOSED))    \
    X(REDIS, GREETING, FSM_TO(REDIS_UP) | FSM_TO(REDIS_WAITING) | FSM_TO(REDIS_CLOSED))            \
    X(REDIS, UP, FSM_TO(REDIS_WAITING) | FSM_TO(REDIS_CLOSED))                                     \
    X(REDIS, CLOSED, 0)

enum redis_state { REDIS_STATES(FSM_ENUM) };

static const struct fsm_state STATES[] = {REDIS_STATES(FSM_STATE)};
const struct fsm_table REDIS_CLIENT_FSM = {"redis_client", STATES, ARRAY_LEN(STATES)};

struct command {
    struct command *prev, *next;
    struct redis_client *client; /* NULL: answered already, hiredis still has it */
    redis_done_f *done;
    void *user;
    int64_t deadline_ms;
    size_t bytes;
};

struct link {
    uv_poll_t poll;
    redisAsyncContext *context;  /* NULL: ending */
    struct redis_client *client; /* NULL: forgotten */
    int events;
};

struct resolve {
    uv_getaddrinfo_t request;
    struct redis_client *client; /* NULL: forgotten */
};

struct redis_client {
    struct loop *loop;
    struct world *world;
    struct redis_url url;
    char *password; /* NULL-able */
    int64_t timeout_ms;
    struct fsm fsm;
    struct link *link;
    struct resolve *resolve;
    struct command *sent;    /* in the order of their answers and deadlines */
    struct command *refused; /* fail on the next turn */
    struct timer *timer;     /* of the state: back-off, or how long a connection may take */
    struct timer *watchdog;  /* of the oldest command */
    struct timer *refusal;
    bool watching;
    int pending;
    size_t pending_bytes;
    unsigned attempts;
    int64_t backoff_ms;
    struct redis_counts counts;
    char error[200];
};

static void greet(struct redis_client *r);

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

/* -- commands and their ends -- */

static void uncount(struct command *c)
{
    c->client->pending--;
    c->client->pending_bytes -= c->bytes;
    c->client = NULL;
}

static void answer_error(struct command *c, const char *why)
{
    struct err err = {0};
    err_set(&err, ERR_STORE, "Redis: %s", why);
    c->done(NULL, &err, c->user);
}

static void refuse(struct redis_client *r, struct command **batch, const char *why)
{
    while (*batch) {
        struct command *c = *batch;
        DL_DELETE(*batch, c);
        r->counts.refused++;
        uncount(c);
        answer_error(c, why);
        free(c);
    }
}

static void on_refusal(void *user)
{
    struct redis_client *r = user;
    struct command *batch = r->refused;

    r->refused = NULL; /* what is refused from now on waits for its own turn */
    refuse(r, &batch, r->error[0] != '\0' ? r->error : "there is no connection");
}

/* What hiredis has keeps its memory until hiredis gives it back by on_reply(). */
static void fail_sent(struct redis_client *r, const char *why)
{
    while (r->sent) {
        struct command *c = r->sent;
        DL_DELETE(r->sent, c);
        r->counts.lost++;
        uncount(c);
        answer_error(c, why);
    }
}

static void wait_and_retry(struct redis_client *r)
{
    int64_t spread = (int64_t)world_random_below(r->world, (uint64_t)r->backoff_ms / 2 + 1);

    fsm_move(&r->fsm, REDIS_WAITING);
    timer_start(r->world, r->timer, r->backoff_ms + spread, 0);
    r->backoff_ms = r->backoff_ms * 2 < BACKOFF_MAX_MS ? r->backoff_ms * 2 : BACKOFF_MAX_MS;
}

/* The link is over and already forgotten by us: say so to all who wait, then try anew. */
static void lost(struct redis_client *r, const char *why)
{
    snprintf(r->error, sizeof(r->error), "%s", why);
    if (r->fsm.state != REDIS_CLOSED)
        wait_and_retry(r);
    fail_sent(r, r->error);
}

/* hiredis ends the link. */
static void link_ends(struct link *l, const char *why)
{
    struct redis_client *r = l->client;
    if (!r)
        return;
    l->client = NULL;
    r->link = NULL;
    lost(r, why && why[0] != '\0' ? why : "the connection was closed");
}

/* We end the link. */
static void drop(struct redis_client *r, const char *why)
{
    struct link *l = r->link;
    if (l)
        l->client = NULL;
    r->link = NULL;
    lost(r, why);
    if (l && l->context)
        redisAsyncFree(l->context); /* the last thing: it may free l */
}

static bool is_role_error(const redisReply *reply)
{
    return strncmp(reply->str, "READONLY", 8) == 0 || strncmp(reply->str, "MASTERDOWN", 10) == 0;
}

static void answer(struct command *c, const redisReply *reply)
{
    struct redis_value value;
    if (reply->type == REDIS_REPLY_ERROR) {
        answer_error(c, reply->str);
        return;
    }
    read_value(reply, &value);
    c->done(&value, NULL, c->user);
    if (value.kind == REDIS_LIST)
        free_items(&value);
}

static void on_reply(redisAsyncContext *context, void *given, void *user)
{
    struct command *c = user;
    struct link *l = context->ev.data;
    redisReply *reply = given;

    if (c->client && !reply)
        link_ends(l, context->errstr); /* answers c, too */
    if (!c->client) {
        free(c);
        return;
    }
    DL_DELETE(c->client->sent, c);
    struct redis_counts *n = &c->client->counts;
    ++*(reply->type == REDIS_REPLY_ERROR ? &n->errors : &n->answered);
    uncount(c);
    answer(c, reply);
    free(c);
    /* A replica that was the master: the connection is good and of no use. */
    if (l->client && reply->type == REDIS_REPLY_ERROR && is_role_error(reply))
        drop(l->client, reply->str);
}

static void on_watchdog(void *user)
{
    struct redis_client *r = user;
    char why[80];

    r->watching = false;
    /* If it was us who were late, the answers lie in the socket. */
    if (r->sent && r->link && r->link->context)
        redisAsyncHandleRead(r->link->context);
    if (!r->sent)
        return;
    int64_t left = r->sent->deadline_ms - world_now_ms(r->world);
    if (left > 0) {
        r->watching = true;
        timer_start(r->world, r->watchdog, left, 0);
        return;
    }
    snprintf(why, sizeof(why), "no answer within %lld ms", (long long)r->timeout_ms);
    drop(r, why);
}

static bool send_command(struct redis_client *r, const struct slice *args, int count,
                         struct command *c)
{
    const char *texts[REDIS_ARGS_MAX];
    size_t lengths[REDIS_ARGS_MAX];
    if (!r->link || !r->link->context)
        return false;
    for (int i = 0; i < count; i++) {
        texts[i] = args[i].at ? args[i].at : "";
        lengths[i] = args[i].len;
    }
    if (redisAsyncCommandArgv(r->link->context, on_reply, c, count, texts, lengths) != REDIS_OK)
        return false;
    c->deadline_ms = world_now_ms(r->world) + r->timeout_ms;
    DL_APPEND(r->sent, c);
    if (!r->watching) {
        r->watching = true;
        timer_start(r->world, r->watchdog, r->timeout_ms, 0);
    }
    return true;
}

static void issue(struct redis_client *r, const struct slice *args, int count, bool allowed,
                  redis_done_f *done, void *user)
{
    struct command *c = mem_alloc(sizeof(*c));

    INVARIANT(count > 0 && count <= REDIS_ARGS_MAX);
    for (int i = 0; i < count; i++)
        c->bytes += args[i].len;
    c->client = r;
    c->done = done;
    c->user = user;
    bool room = r->pending < PENDING_MAX && r->pending_bytes + c->bytes <= PENDING_BYTES_MAX;
    r->pending++;
    r->pending_bytes += c->bytes;
    if (allowed && room && send_command(r, args, count, c))
        return;
    DL_APPEND(r->refused, c);
    if (r->fsm.state != REDIS_CLOSED) /* else free_memory() answers */
        timer_start(r->world, r->refusal, 0, 0);
}

void redis_command(struct redis_client *r, const struct slice *args, int count, redis_done_f *done,
                   void *user)
{
    issue(r, args, count, r->fsm.state == REDIS_UP, done, user);
}

/* -- the link: hiredis's events on the loop -- */

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct link *l = container_of(handle, struct link, poll);

    if (status < 0) /* let hiredis find out and name the cause; libuv polls no more */
        events = UV_READABLE | UV_WRITABLE;
    if (l->context && (events & UV_WRITABLE))
        redisAsyncHandleWrite(l->context);
    if (l->context && (events & UV_READABLE))
        redisAsyncHandleRead(l->context);
    if (status < 0 && l->context && l->client)
        drop(l->client, uv_strerror(status));
}

static void poll_for(struct link *l, int events)
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
    poll_for(user, ((struct link *)user)->events | UV_READABLE);
}

static void del_read(void *user)
{
    poll_for(user, ((struct link *)user)->events & ~UV_READABLE);
}

static void add_write(void *user)
{
    poll_for(user, ((struct link *)user)->events | UV_WRITABLE);
}

static void del_write(void *user)
{
    poll_for(user, ((struct link *)user)->events & ~UV_WRITABLE);
}

static void on_poll_closed(uv_handle_t *handle)
{
    free(container_of((uv_poll_t *)handle, struct link, poll));
}

static void cleanup(void *user)
{
    struct link *l = user;
    redisAsyncContext *context = l->context;

    l->context = NULL;
    uv_close((uv_handle_t *)&l->poll, on_poll_closed);
    link_ends(l, context ? context->errstr : NULL);
}

static void on_connected(const redisAsyncContext *context, int status)
{
    struct link *l = context->ev.data;

    if (!l->client)
        return;
    if (status != REDIS_OK)
        link_ends(l, context->errstr);
    else
        greet(l->client);
}

static struct link *link_new(struct redis_client *r, redisAsyncContext *context)
{
    struct link *l = mem_alloc(sizeof(*l));

    if (uv_poll_init(loop_uv(r->loop), &l->poll, context->c.fd) != 0) {
        free(l);
        return NULL;
    }
    fcntl(context->c.fd, F_SETFD, FD_CLOEXEC);
    l->context = context;
    l->client = r;
    context->ev.data = l;
    context->ev.addRead = add_read;
    context->ev.delRead = del_read;
    context->ev.addWrite = add_write;
    context->ev.delWrite = del_write;
    context->ev.cleanup = cleanup;
    return l;
}

/* -- from nothing to up -- */

static void connect_to(struct redis_client *r, const char *host)
{
    redisAsyncContext *context = r->url.path[0] != '\0' ? redisAsyncConnectUnix(r->url.path)
                                                        : redisAsyncConnect(host, r->url.port);

    INVARIANT(context); /* NULL: out of memory */
    fsm_move(&r->fsm, REDIS_CONNECTING);
    if (context->err == 0)
        r->link = link_new(r, context);
    if (!r->link) {
        lost(r, context->err ? context->errstr : "the socket cannot be polled");
        redisAsyncFree(context);
        return;
    }
    timer_start(r->world, r->timer, r->timeout_ms, 0);
    redisAsyncSetConnectCallback(context, on_connected);
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
    struct resolve *q = container_of(request, struct resolve, request);
    struct redis_client *r = q->client;
    char host[64] = "";
    unsigned count = 0;

    for (struct addrinfo *a = list; a; a = a->ai_next)
        count++;
    if (r && count > 0) { /* another address at each attempt */
        struct addrinfo *a = list;
        for (unsigned skip = r->attempts % count; skip > 0; skip--)
            a = a->ai_next;
        uv_ip_name(a->ai_addr, host, sizeof(host));
    }
    uv_freeaddrinfo(list);
    free(q);
    if (!r)
        return;
    r->resolve = NULL;
    if (host[0] != '\0')
        connect_to(r, host);
    else
        lost(r, status < 0 ? uv_strerror(status) : "the host has no address");
}

static void resolve(struct redis_client *r)
{
    static const struct addrinfo HINTS = {.ai_socktype = SOCK_STREAM};
    struct resolve *q = mem_alloc(sizeof(*q));

    fsm_move(&r->fsm, REDIS_RESOLVING);
    q->client = r;
    int rc = uv_getaddrinfo(loop_uv(r->loop), &q->request, on_resolved, r->url.host, NULL, &HINTS);
    if (rc == 0) {
        r->resolve = q;
        return;
    }
    free(q);
    lost(r, uv_strerror(rc));
}

static void on_timer(void *user)
{
    struct redis_client *r = user;
    if (r->fsm.state != REDIS_WAITING) {
        drop(r, "no connection in time");
        return;
    }
    r->attempts++;
    if (r->url.path[0] != '\0' || redis_url_is_numeric(&r->url))
        connect_to(r, r->url.host);
    else
        resolve(r);
}

static void on_greeted(const struct redis_value *value, const struct err *err, void *user)
{
    struct redis_client *r = user;
    (void)value;
    if (r->fsm.state != REDIS_GREETING)
        return; /* lost meanwhile */
    if (err) {
        char why[sizeof(r->error)];
        snprintf(why, sizeof(why), "%.190s", err->msg);
        drop(r, why);
    }
}

static void on_pong(const struct redis_value *value, const struct err *err, void *user)
{
    struct redis_client *r = user;
    on_greeted(value, err, user);
    if (r->fsm.state != REDIS_GREETING || err)
        return;
    fsm_move(&r->fsm, REDIS_UP);
    timer_stop(r->world, r->timer);
    r->backoff_ms = BACKOFF_FIRST_MS;
    r->counts.connections++;
    r->error[0] = '\0';
}

static void greet(struct redis_client *r)
{
    char database[16];

    fsm_move(&r->fsm, REDIS_GREETING);
    snprintf(database, sizeof(database), "%d", r->url.database);
    if (r->password)
        issue(r, (struct slice[]){slice_of("AUTH"), slice_of(r->password)}, 2, true, on_greeted, r);
    if (r->url.database != 0)
        issue(r, (struct slice[]){slice_of("SELECT"), slice_of(database)}, 2, true, on_greeted, r);
    issue(r, (struct slice[]){slice_of("PING")}, 1, true, on_pong, r);
}

/* -- life -- */

struct redis_client *redis_client_new(struct loop *l, const char *url, const char *password,
                                      int64_t timeout_ms, struct err *err)
{
    struct redis_url where;

    if (redis_url_parse(url, &where, err) < 0)
        return NULL;
    struct redis_client *r = mem_alloc(sizeof(*r));
    r->loop = l;
    r->world = loop_world(l);
    r->url = where;
    r->password = password && password[0] != '\0' ? mem_text(password) : NULL;
    r->timeout_ms = timeout_ms > 0 ? timeout_ms : TIMEOUT_MS;
    r->backoff_ms = BACKOFF_FIRST_MS;
    r->timer = timer_new(r->world, on_timer, r);
    r->watchdog = timer_new(r->world, on_watchdog, r);
    r->refusal = timer_new(r->world, on_refusal, r);
    fsm_init(&r->fsm, &REDIS_CLIENT_FSM, REDIS_WAITING);
    timer_start(r->world, r->timer, 0, 0);
    return r;
}

static void free_memory(void *user)
{
    struct redis_client *r = user;
    /* Asked for by a callback of the end itself. */
    refuse(r, &r->refused, "the client is closed");
    if (r->password)
        explicit_bzero(r->password, strlen(r->password));
    free(r->password);
    free(r);
}

void redis_client_free(struct redis_client **at)
{
    struct redis_client *r = *at;

    *at = NULL;
    if (!r)
        return;
    if (r->fsm.state == REDIS_UP && r->link && r->link->context)
        redisAsyncHandleWrite(r->link->context); /* what was asked for last shall still go out */
    fsm_move(&r->fsm, REDIS_CLOSED);
    if (r->resolve) {
        r->resolve->client = NULL;
        uv_cancel((uv_req_t *)&r->resolve->request);
        r->resolve = NULL;
    }
    drop(r, "the client is closed");
    on_refusal(r);
    timer_free(r->world, &r->timer);
    timer_free(r->world, &r->watchdog);
    timer_free(r->world, &r->refusal);
    loop_defer(r->loop, free_memory, r); /* a callback of ours may be what called us */
}

bool redis_client_up(const struct redis_client *r)
{
    return r->fsm.state == REDIS_UP;
}

const char *redis_client_error(const struct redis_client *r)
{
    return r->error;
}

const struct redis_counts *redis_client_counts(const struct redis_client *r)
{
    return &r->counts;
}
