#include "router/edge_reservations.h"
#include "base/buf.h"
#include "base/mem.h"
#include "router/redis_client.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#define NEAR_PER_GATEWAY 4
#define ROUNDS           3   /* of one question: the others come and go meanwhile */
#define MEMBERS_MAX      256 /* that an answer lists */
#define SEEN_BYTES_MAX   (MEMBERS_MAX * (EDGE_KEY_MAX + 1)) /* MEMBERS_MAX keys */
#define NO_LIMIT         "1000000000"

/* KEYS[1]; ARGV: the placement, time to live, room, the placements that are seen. 1, or who is in
 * the way.
 */
static const char TAKE[] =
    "local t = redis.call('TIME') "
    "local now = t[1] * 1000 + math.floor(t[2] / 1000) "
    "redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now) "
    "if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then "
    "local n = redis.call('ZCARD', KEYS[1]) "
    "for id in string.gmatch(ARGV[4], '%S+') do "
    "if redis.call('ZSCORE', KEYS[1], id) then n = n - 1 end end "
    "if n >= tonumber(ARGV[3]) then return redis.call('ZRANGE', KEYS[1], 0, 255) end end "
    "redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1]) "
    "redis.call('PEXPIRE', KEYS[1], ARGV[2] * 2) "
    "return 1";

/* KEYS[1]; ARGV: the placement, how long it still counts. */
static const char SETTLE[] = "local t = redis.call('TIME') "
                             "local now = t[1] * 1000 + math.floor(t[2] / 1000) "
                             "return redis.call('ZADD', KEYS[1], 'XX', now + ARGV[2], ARGV[1])";

struct question {
    struct question *prev, *next;
    struct edge_reservations *owner; /* NULL: gone, and nobody waits any more */
    const struct edge_view *view;
    edge_done_f *done;
    void *user;
    int rounds;
    char key[EDGE_KEY_MAX + 1];
};

struct edge_reservations {
    struct redis_client *redis;
    struct question *questions;
    char *key;
    char ttl_ms[24], settle_ms[24];
};

struct edge_reservations *edge_reservations_new(struct redis_client *r, const char *site,
                                                int64_t ttl_ms, int64_t settle_ms)
{
    struct edge_reservations *e = mem_alloc(sizeof(*e));

    e->redis = r;
    e->key = mem_format("spillway:edge:%s", site);
    snprintf(e->ttl_ms, sizeof(e->ttl_ms), "%" PRId64, ttl_ms);
    snprintf(e->settle_ms, sizeof(e->settle_ms), "%" PRId64, settle_ms);
    return e;
}

void edge_reservations_free(struct edge_reservations **at)
{
    struct edge_reservations *e = *at;
    struct question *q, *next;

    *at = NULL;
    if (!e)
        return;
    DL_FOREACH_SAFE(e->questions, q, next)
    {
        DL_DELETE(e->questions, q);
        q->owner = NULL;
    }
    free(e->key);
    free(e);
}

/* -- taking -- */

static void ask(struct question *q, struct slice seen);

static void answer(struct question *q, enum edge_answer a)
{
    edge_done_f *done = q->done;
    void *user = q->user;

    DL_DELETE(q->owner->questions, q);
    free(q);
    done(a, user);
}

/* Those in the way that we see are in the room that we see already: not to be counted twice. */
static size_t list_seen(const struct question *q, const struct redis_value *members,
                        struct buf *seen)
{
    char id[EDGE_KEY_MAX + 1];
    size_t count = 0;

    for (size_t i = 0; i < members->count; i++) {
        if (members->items[i].kind != REDIS_TEXT || members->items[i].text.len >= sizeof(id))
            continue;
        snprintf(id, sizeof(id), "%.*s", SLICE_ARG(members->items[i].text));
        if (!q->view->sees(id, q->user))
            continue;
        buf_addf(seen, "%s ", id);
        count++;
    }
    return count;
}

static void try_again(struct question *q, const struct redis_value *members)
{
    struct buf seen;

    buf_init(&seen, SEEN_BYTES_MAX);
    size_t count = list_seen(q, members, &seen);
    bool hopeful = (int64_t)(members->count - count) < q->view->room(q->user);
    if (hopeful && ++q->rounds < ROUNDS && members->count < MEMBERS_MAX)
        ask(q, buf_slice(&seen));
    else
        answer(q, EDGE_REFUSED);
    buf_fini(&seen);
}

static void on_answer(const struct redis_value *value, const struct err *err, void *user)
{
    struct question *q = user;

    if (!q->owner)
        free(q);
    else if (err)
        answer(q, EDGE_UNKNOWN);
    else if (value->kind == REDIS_LIST)
        try_again(q, value);
    else
        answer(q, EDGE_GRANTED);
}

static void ask(struct question *q, struct slice seen)
{
    struct edge_reservations *e = q->owner;
    char room[24];

    snprintf(room, sizeof(room), "%" PRId64, q->view->room(q->user));
    const struct slice args[] = {
        slice_of("EVAL"), slice_of(TAKE),      slice_of("1"),  slice_of(e->key),
        slice_of(q->key), slice_of(e->ttl_ms), slice_of(room), seen};
    redis_command(e->redis, args, ARRAY_LEN(args), on_answer, q);
}

void edge_reservations_take(struct edge_reservations *e, const char *key,
                            const struct edge_view *view, edge_done_f *done, void *user)
{
    struct question *q = mem_alloc(sizeof(*q));

    q->owner = e;
    q->view = view;
    q->done = done;
    q->user = user;
    snprintf(q->key, sizeof(q->key), "%s", key);
    DL_APPEND(e->questions, q);
    ask(q, slice_of(""));
}

/* -- what waits for nobody -- */

static void ignore(const struct redis_value *value, const struct err *err, void *user)
{
    (void)value;
    (void)err;
    (void)user;
}

void edge_reservations_note(struct edge_reservations *e, const char *key)
{
    const struct slice args[] = {slice_of("EVAL"),   slice_of(TAKE), slice_of("1"),
                                 slice_of(e->key),   slice_of(key),  slice_of(e->ttl_ms),
                                 slice_of(NO_LIMIT), slice_of("")};

    redis_command(e->redis, args, ARRAY_LEN(args), ignore, NULL);
}

void edge_reservations_seen(struct edge_reservations *e, const char *key)
{
    const struct slice args[] = {slice_of("EVAL"), slice_of(SETTLE), slice_of("1"),
                                 slice_of(e->key), slice_of(key),    slice_of(e->settle_ms)};

    redis_command(e->redis, args, ARRAY_LEN(args), ignore, NULL);
}

void edge_reservations_release(struct edge_reservations *e, const char *key)
{
    redis_command(e->redis, (struct slice[]){slice_of("ZREM"), slice_of(e->key), slice_of(key)}, 3,
                  ignore, NULL);
}

/* -- the pure part -- */

static int64_t share_of(int64_t room, int64_t gateways)
{
    return gateways > 1 ? room / gateways : room;
}

bool edge_is_near(int64_t room, int64_t recent, int64_t gateways)
{
    return room < NEAR_PER_GATEWAY * gateways || recent >= share_of(room, gateways);
}

bool edge_share_allows(int64_t room, int64_t recent, int64_t gateways)
{
    int64_t share = share_of(room, gateways);

    return recent < (share > 1 ? share : 1);
}
