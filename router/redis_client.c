/* Keeps one connection: finds out where, connects, greets, gives up on what does not answer, and
 * begins anew with a back-off. Who ends a link himself (drop) first forgets it and answers what
 * waits on it. */
#include "router/redis_client.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "router/redis_link.h"
#include "router/redis_url.h"
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

/* GREETING: AUTH, SELECT, ROLE, PING. Only who answers PING is up: a stopped one takes connections.
 */
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
    struct redis_client *client; /* NULL: answered already, the link still has it */
    redis_done_f *done;
    void *user;
    int64_t deadline_ms;
    size_t bytes;
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
    struct redis_link *link;
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
    int64_t up_since_ms;
    struct redis_counts counts;
    char error[200];
    char said[200]; /* of that, what the log has; "": up */
};

static void greet(struct redis_client *r);

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

/* What the link has keeps its memory until the link gives it back by on_answered(). */
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

static const char *server_text(const struct redis_client *r, char out[REDIS_PLACE_TEXT])
{
    return r->url.path[0] != '\0' ? r->url.path : redis_place_text(&r->url.at, out);
}

/* One line when it goes away, and one for each new cause until it is back. */
static void say_lost(struct redis_client *r, const char *why)
{
    char server[REDIS_PLACE_TEXT];

    if (strcmp(r->said, why) == 0 || r->fsm.state == REDIS_CLOSED)
        return;
    snprintf(r->said, sizeof(r->said), "%s", why);
    LOG(LOG_WARN, "redis_lost", KV("server", server_text(r, server)), KV("error", r->said));
}

/* The link is over and already forgotten by us: say so to all who wait, then try anew. */
static void lost(struct redis_client *r, const char *why)
{
    snprintf(r->error, sizeof(r->error), "%s", why);
    say_lost(r, r->error);
    if (r->fsm.state != REDIS_CLOSED)
        wait_and_retry(r);
    fail_sent(r, r->error);
}

static void on_ended(const char *why, void *user)
{
    struct redis_client *r = user;

    r->link = NULL;
    lost(r, why);
}

/* We end the link. */
static void drop(struct redis_client *r, const char *why)
{
    struct redis_link *l = r->link;

    r->link = NULL;
    lost(r, why);
    if (l)
        redis_link_drop(l);
}

static bool is_role_error(const char *error)
{
    return strncmp(error, "READONLY", 8) == 0 || strncmp(error, "MASTERDOWN", 10) == 0;
}

static void on_answered(const struct redis_value *value, const char *error, void *user)
{
    struct command *c = user;
    struct redis_client *r = c->client;

    if (!r) {
        free(c);
        return;
    }
    DL_DELETE(r->sent, c);
    ++*(error ? &r->counts.errors : &r->counts.answered);
    uncount(c);
    if (error)
        answer_error(c, error);
    else
        c->done(value, NULL, c->user);
    free(c);
    /* A replica that was the master: the connection is good and of no use. */
    if (r->link && error && is_role_error(error))
        drop(r, error);
}

static void on_watchdog(void *user)
{
    struct redis_client *r = user;
    char why[80];

    r->watching = false;
    /* If it was us who were late, the answers lie in the socket. */
    if (r->sent && r->link)
        redis_link_read(r->link);
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
    if (!r->link || !redis_link_send(r->link, args, count, c))
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

/* -- from nothing to up -- */

static void on_connected(void *user)
{
    greet(user);
}

static const struct redis_link_ops LINK_OPS = {on_connected, on_ended, on_answered};

static void connect_to(struct redis_client *r, const char *address)
{
    struct err err;

    fsm_move(&r->fsm, REDIS_CONNECTING);
    r->link = redis_link_new(r->loop, r->url.path, address, r->url.at.port, &LINK_OPS, r, &err);
    if (r->link)
        timer_start(r->world, r->timer, r->timeout_ms, 0);
    else
        lost(r, err.msg);
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
    int rc =
        uv_getaddrinfo(loop_uv(r->loop), &q->request, on_resolved, r->url.at.host, NULL, &HINTS);
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
    if (redis_url_is_direct(&r->url))
        connect_to(r, r->url.at.host);
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

/* Who does not know AUTH may quote what it was sent. */
static void on_auth(const struct redis_value *value, const struct err *err, void *user)
{
    struct redis_client *r = user;
    if (err && r->fsm.state == REDIS_GREETING && strstr(err->msg, r->password))
        drop(r, "Redis: AUTH was refused");
    else
        on_greeted(value, err, user);
}

static void authenticate(struct redis_client *r)
{
    struct slice words[3] = {slice_of("AUTH")};
    int count = 1;

    if (r->url.user[0] != '\0')
        words[count++] = slice_of(r->url.user);
    words[count++] = slice_of(r->password);
    issue(r, words, count, true, on_auth, r);
}

static void on_role(const struct redis_value *value, const struct err *err, void *user)
{
    struct redis_client *r = user;
    on_greeted(value, err, user);
    if (r->fsm.state != REDIS_GREETING || err)
        return;
    bool is_master =
        value->kind == REDIS_LIST && value->count > 0 && slice_eq(value->items[0].text, "master");
    if (!is_master)
        drop(r, "the server that Sentinel named is not the master");
}

static void on_pong(const struct redis_value *value, const struct err *err, void *user)
{
    struct redis_client *r = user;
    char server[REDIS_PLACE_TEXT];
    on_greeted(value, err, user);
    if (r->fsm.state != REDIS_GREETING || err)
        return;
    fsm_move(&r->fsm, REDIS_UP);
    timer_stop(r->world, r->timer);
    r->backoff_ms = BACKOFF_FIRST_MS;
    r->counts.connections++;
    r->up_since_ms = world_now_ms(r->world);
    r->error[0] = r->said[0] = '\0';
    LOG(LOG_INFO, "redis_up", KV("server", server_text(r, server)));
}

static void greet(struct redis_client *r)
{
    char database[16];

    fsm_move(&r->fsm, REDIS_GREETING);
    snprintf(database, sizeof(database), "%d", r->url.database);
    if (r->password)
        authenticate(r);
    if (r->url.database != 0)
        issue(r, (struct slice[]){slice_of("SELECT"), slice_of(database)}, 2, true, on_greeted, r);
    if (r->url.sentinel_count > 0)
        issue(r, (struct slice[]){slice_of("ROLE")}, 1, true, on_role, r);
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
    if (r->url.sentinel_count > 0) /* until redis_client_move() */
        snprintf(r->error, sizeof(r->error), "no Sentinel has told where the master is");
    else
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
    if (r->fsm.state == REDIS_UP && r->link)
        redis_link_flush(r->link); /* what was asked for last shall still go out */
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

void redis_client_move(struct redis_client *r, const struct redis_place *to)
{
    if (redis_place_eq(&r->url.at, to))
        return;
    if (r->resolve) { /* the old place's address is of no use */
        r->resolve->client = NULL;
        r->resolve = NULL;
    }
    if (r->fsm.state != REDIS_WAITING)
        drop(r, "Sentinel named another master");
    r->url.at = *to;
    r->backoff_ms = BACKOFF_FIRST_MS;
    timer_start(r->world, r->timer, 0, 0);
}

bool redis_client_up(const struct redis_client *r)
{
    return r->fsm.state == REDIS_UP;
}

int64_t redis_client_up_ms(const struct redis_client *r)
{
    return redis_client_up(r) ? world_now_ms(r->world) - r->up_since_ms : 0;
}

const char *redis_client_error(const struct redis_client *r)
{
    return r->error;
}

const struct redis_counts *redis_client_counts(const struct redis_client *r)
{
    return &r->counts;
}
