#include "router/peers.h"
#include "base/loop.h"
#include "base/mem.h"
#include "router/redis_client.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANNOUNCE_MS 2000
#define LIVE_MS     6000
#define PEERS_MAX   256 /* gateways of one site */

/* Redis' own clock judges who lives: those of the gateways need not agree. */
static const char ANNOUNCE[] = "local t = redis.call('TIME') "
                               "local now = t[1] * 1000 + math.floor(t[2] / 1000) "
                               "redis.call('ZADD', KEYS[1], now, ARGV[1]) "
                               "redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2]) "
                               "redis.call('PEXPIRE', KEYS[1], ARGV[2] * 10) "
                               "return redis.call('ZRANGE', KEYS[1], 0, ARGV[3])";

/* The question that is on its way; it outlives the peers if need be. */
struct question {
    struct peers *peers; /* NULL: gone */
};

struct peers {
    struct world *world;
    struct redis_client *redis;
    struct timer *timer;
    struct question *question; /* one at a time */
    char *key;
    char *own_name;
    char **names; /* of the last answer; none when that is old */
    size_t count;
    size_t told; /* how many there were in the last answer, however old; 0: there was none */
    int64_t answered_ms;
};

/* -- the pure part -- */

/* FNV-1a, then splitmix64's last steps: the plain sum of two similar names is too similar. */
static uint64_t weigh(const char *name, const char *key)
{
    uint64_t h = 0xcbf29ce484222325;

    for (const char *p = name; *p != '\0'; p++)
        h = (h ^ (unsigned char)*p) * 0x100000001b3;
    h = (h ^ 0xff) * 0x100000001b3; /* in no UTF-8 text: keeps "ab"+"c" from being "a"+"bc" */
    for (const char *p = key; *p != '\0'; p++)
        h = (h ^ (unsigned char)*p) * 0x100000001b3;
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9;
    h = (h ^ (h >> 27)) * 0x94d049bb133111eb;
    return h ^ (h >> 31);
}

const char *peers_owner(const char *const *names, size_t count, const char *key)
{
    const char *best = NULL;
    uint64_t most = 0;

    for (size_t i = 0; i < count; i++) {
        uint64_t weight = weigh(names[i], key);
        if (!best || weight > most || (weight == most && strcmp(names[i], best) < 0)) {
            best = names[i];
            most = weight;
        }
    }
    return best;
}

/* -- the announcements -- */

static void forget_names(struct peers *p)
{
    for (size_t i = 0; i < p->count; i++)
        free(p->names[i]);
    free(p->names);
    p->names = NULL;
    p->count = 0;
}

static void learn_names(struct peers *p, const struct redis_value *list)
{
    forget_names(p);
    p->names = mem_array(list->count + 1, sizeof(*p->names));
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].kind == REDIS_TEXT)
            p->names[p->count++] = mem_text_n(list->items[i].text.at, list->items[i].text.len);
    p->told = p->count;
    p->answered_ms = world_now_ms(p->world);
}

static void on_answer(const struct redis_value *value, const struct err *err, void *user)
{
    struct question *q = user;
    struct peers *p = q->peers;

    free(q);
    if (!p)
        return;
    p->question = NULL;
    if (!err && value->kind == REDIS_LIST)
        learn_names(p, value);
    else if (world_now_ms(p->world) - p->answered_ms > LIVE_MS)
        forget_names(p); /* nobody knows: alone */
}

static void on_timer(void *user)
{
    struct peers *p = user;
    char live[16];
    char last[16];

    if (p->question)
        return;
    snprintf(live, sizeof(live), "%d", LIVE_MS);
    snprintf(last, sizeof(last), "%d", PEERS_MAX - 1);
    p->question = mem_alloc(sizeof(*p->question));
    p->question->peers = p;
    const struct slice args[] = {slice_of("EVAL"), slice_of(ANNOUNCE),    slice_of("1"),
                                 slice_of(p->key), slice_of(p->own_name), slice_of(live),
                                 slice_of(last)};
    redis_command(p->redis, args, ARRAY_LEN(args), on_answer, p->question);
}

struct peers *peers_new(struct loop *l, struct redis_client *r, const char *site,
                        const char *own_name)
{
    struct peers *p = mem_alloc(sizeof(*p));

    p->world = loop_world(l);
    p->redis = r;
    p->key = mem_format("spillway:gateways:%s", site);
    p->own_name = mem_text(own_name);
    p->timer = timer_new(p->world, on_timer, p);
    timer_start(p->world, p->timer, 100, ANNOUNCE_MS); /* a moment for the connection to come up */
    return p;
}

static void on_taken_back(const struct redis_value *value, const struct err *err, void *user)
{
    (void)value;
    (void)err;
    (void)user;
}

void peers_free(struct peers **at)
{
    struct peers *p = *at;

    *at = NULL;
    if (!p)
        return;
    redis_command(p->redis,
                  (struct slice[]){slice_of("ZREM"), slice_of(p->key), slice_of(p->own_name)}, 3,
                  on_taken_back, NULL);
    if (p->question)
        p->question->peers = NULL;
    timer_free(p->world, &p->timer);
    forget_names(p);
    free(p->key);
    free(p->own_name);
    free(p);
}

static bool has_own_name(const struct peers *p)
{
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->names[i], p->own_name) == 0)
            return true;
    return false;
}

bool peers_own_duty(const struct peers *p, const char *session_id)
{
    if (!has_own_name(p))
        return true;
    return strcmp(peers_owner((const char *const *)p->names, p->count, session_id), p->own_name) ==
           0;
}

size_t peers_count(const struct peers *p)
{
    return p->told > 0 ? p->told : 1;
}
