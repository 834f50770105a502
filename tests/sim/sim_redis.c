#include "sim_redis.h"

#include "base/buf.h"
#include "base/mem.h"
#include "router/redis_link.h"
#include "sim_redis_data.h"
#include "sim_redis_link.h"
#include "sim_redis_script.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct sim_redis {
    struct sim_process process;
    struct sim_redis_data *data, *saved;
};

struct sim_redis *sim_redis_new(const char *name)
{
    struct sim_redis *r = mem_alloc(sizeof(*r));
    snprintf(r->process.name, sizeof(r->process.name), "%s", name);
    r->process.alive = true;
    r->data = sim_redis_data_new();
    r->saved = sim_redis_data_new();
    return r;
}

void sim_redis_free(struct sim_redis **at)
{
    struct sim_redis *r = *at;
    *at = NULL;
    if (!r)
        return;
    sim_redis_data_free(&r->data);
    sim_redis_data_free(&r->saved);
    free(r);
}

struct sim_process *sim_redis_process(struct sim_redis *r)
{
    return &r->process;
}

/* -- replies -- */

static struct redis_value *reply_new(enum redis_kind kind)
{
    struct redis_value *v = mem_alloc(sizeof(*v));
    v->kind = kind;
    return v;
}

struct redis_value *sim_redis_reply_number(int64_t n)
{
    struct redis_value *v = reply_new(REDIS_NUMBER);
    v->number = n;
    return v;
}

static void set_text(struct redis_value *v, struct slice text)
{
    v->kind = text.at ? REDIS_TEXT : REDIS_NIL;
    v->text = text.at ? (struct slice){mem_text_n(text.at, text.len), text.len} : text;
}

struct redis_value *sim_redis_reply_text(struct slice text)
{
    struct redis_value *v = reply_new(REDIS_NIL);
    set_text(v, text);
    return v;
}

struct redis_value *sim_redis_reply_list(const struct slice *items, size_t count)
{
    struct redis_value *v = reply_new(REDIS_LIST);
    struct redis_value *list = mem_array(count + 1, sizeof(*list));
    for (size_t i = 0; i < count; i++)
        set_text(&list[i], items[i]);
    v->items = list;
    v->count = count;
    return v;
}

void sim_redis_reply_free(struct redis_value **at)
{
    struct redis_value *v = *at;
    *at = NULL;
    if (!v)
        return;
    for (size_t i = 0; i < v->count; i++)
        free((char *)(uintptr_t)v->items[i].text.at);
    free((struct redis_value *)(uintptr_t)v->items);
    free((char *)(uintptr_t)v->text.at);
    free(v);
}

/* -- commands -- */

static double number_of(struct slice s)
{
    char text[64];
    if (slice_eq(s, "-inf"))
        return -1e300;
    snprintf(text, sizeof(text), "%.*s", SLICE_ARG(s));
    return strtod(text, NULL);
}

static struct redis_value *set_string(struct sim_redis *r, const struct slice *a, int n)
{
    sim_redis_string_set(r->data, a[1], a[2]);
    if (n == 5)
        sim_redis_expire(r->data, a[1], (int64_t)number_of(a[4]));
    return sim_redis_reply_text(slice_of("OK"));
}

static struct redis_value *get_string(struct sim_redis *r, const struct slice *a, int n)
{
    (void)n;
    return sim_redis_reply_text(sim_redis_string_get(r->data, a[1]));
}

static struct redis_value *del(struct sim_redis *r, const struct slice *a, int n)
{
    (void)n;
    return sim_redis_reply_number(sim_redis_remove(r->data, a[1]));
}

static struct redis_value *exists(struct sim_redis *r, const struct slice *a, int n)
{
    (void)n;
    return sim_redis_reply_number(sim_redis_exists(r->data, a[1]));
}

static struct redis_value *pexpire(struct sim_redis *r, const struct slice *a, int n)
{
    (void)n;
    return sim_redis_reply_number(sim_redis_expire(r->data, a[1], (int64_t)number_of(a[2])));
}

static struct redis_value *hset(struct sim_redis *r, const struct slice *a, int n)
{
    for (int i = 2; i + 1 < n; i += 2)
        sim_redis_hash_set(r->data, a[1], a[i], a[i + 1]);
    return sim_redis_reply_number((n - 2) / 2);
}

static struct redis_value *hmget(struct sim_redis *r, const struct slice *a, int n)
{
    struct slice items[REDIS_ARGS_MAX];
    for (int i = 2; i < n; i++)
        items[i - 2] = sim_redis_hash_get(r->data, a[1], a[i]);
    return sim_redis_reply_list(items, (size_t)n - 2);
}

static struct redis_value *zadd(struct sim_redis *r, const struct slice *a, int n)
{
    bool only_present = n == 5 && slice_eq(a[2], "XX");
    int at = only_present ? 3 : 2;
    bool present = sim_redis_member_score(r->data, a[1], a[at + 1], NULL);
    if (!only_present || present)
        sim_redis_member_set(r->data, a[1], a[at + 1], number_of(a[at]));
    return sim_redis_reply_number(!present && !only_present);
}

static struct redis_value *zrem(struct sim_redis *r, const struct slice *a, int n)
{
    (void)n;
    return sim_redis_reply_number(sim_redis_member_remove(r->data, a[1], a[2]));
}

static struct redis_value *zscore(struct sim_redis *r, const struct slice *a, int n)
{
    char text[64];
    double score;
    (void)n;
    if (!sim_redis_member_score(r->data, a[1], a[2], &score))
        return reply_new(REDIS_NIL);
    snprintf(text, sizeof(text), "%.17g", score);
    return sim_redis_reply_text(slice_of(text));
}

static struct redis_value *zcard(struct sim_redis *r, const struct slice *a, int n)
{
    struct slice items[1];
    (void)n;
    return sim_redis_reply_number(
        (int64_t)sim_redis_members(r->data, a[1], -1e300, 1e300, items, 0));
}

#define MEMBERS_MAX 1024

static struct redis_value *zrange(struct sim_redis *r, const struct slice *a, int n)
{
    struct slice items[MEMBERS_MAX];
    size_t found = sim_redis_members(r->data, a[1], -1e300, 1e300, items, MEMBERS_MAX);
    size_t most = (size_t)number_of(a[3]) + 1;
    (void)n;
    return sim_redis_reply_list(items, found < most ? found : most);
}

static struct redis_value *zrangebyscore(struct sim_redis *r, const struct slice *a, int n)
{
    struct slice items[MEMBERS_MAX];
    size_t found =
        sim_redis_members(r->data, a[1], number_of(a[2]), number_of(a[3]), items, MEMBERS_MAX);
    size_t most = n == 7 ? (size_t)number_of(a[6]) : MEMBERS_MAX;
    return sim_redis_reply_list(items, found < most ? found : most);
}

static struct redis_value *zremrangebyscore(struct sim_redis *r, const struct slice *a, int n)
{
    struct redis_value *gone = zrangebyscore(r, a, n);
    for (size_t i = 0; i < gone->count; i++)
        sim_redis_member_remove(r->data, a[1], gone->items[i].text);
    int64_t count = (int64_t)gone->count;
    sim_redis_reply_free(&gone);
    return sim_redis_reply_number(count);
}

static struct redis_value *tell_time(struct sim_redis *r, const struct slice *a, int n)
{
    char seconds[24], micros[24];
    int64_t now = sim_wall() + r->process.wall_skew_ms;
    (void)a;
    (void)n;
    snprintf(seconds, sizeof(seconds), "%" PRId64, now / 1000);
    snprintf(micros, sizeof(micros), "%" PRId64, now % 1000 * 1000);
    const struct slice items[] = {slice_of(seconds), slice_of(micros)};
    return sim_redis_reply_list(items, 2);
}

static struct redis_value *ping(struct sim_redis *r, const struct slice *a, int n)
{
    (void)r;
    (void)a;
    (void)n;
    return sim_redis_reply_text(slice_of("PONG"));
}

static const struct command {
    const char *name;
    struct redis_value *(*run)(struct sim_redis *r, const struct slice *a, int n);
} COMMANDS[] = {
    {"PING", ping},
    {"SET", set_string},
    {"GET", get_string},
    {"DEL", del},
    {"EXISTS", exists},
    {"PEXPIRE", pexpire},
    {"HSET", hset},
    {"HMGET", hmget},
    {"ZADD", zadd},
    {"ZREM", zrem},
    {"ZSCORE", zscore},
    {"ZCARD", zcard},
    {"ZRANGE", zrange},
    {"ZRANGEBYSCORE", zrangebyscore},
    {"ZREMRANGEBYSCORE", zremrangebyscore},
    {"TIME", tell_time},
    {"EVAL", sim_redis_script_run},
};

struct redis_value *sim_redis_run(struct sim_redis *r, const struct slice *args, int count)
{
    for (size_t i = 0; i < ARRAY_LEN(COMMANDS); i++) {
        if (!slice_eq(args[0], COMMANDS[i].name))
            continue;
        return COMMANDS[i].run(r, args, count);
    }
    return sim_redis_reply_text(slice_of("-ERR unknown command"));
}

/* -- faults -- */

void sim_redis_die(struct sim_redis *r)
{
    r->process.alive = false;
    sim_redis_link_died(r);
}

void sim_redis_save(struct sim_redis *r)
{
    sim_redis_data_free(&r->saved);
    r->saved = sim_redis_data_copy(r->data);
}

void sim_redis_come_back(struct sim_redis *r, enum sim_redis_memory with)
{
    r->process.alive = true;
    if (with == SIM_REDIS_KEEPS)
        return;
    sim_redis_data_free(&r->data);
    r->data = with == SIM_REDIS_OLD ? sim_redis_data_copy(r->saved) : sim_redis_data_new();
}

void sim_redis_each(struct sim_redis *r, void (*fn)(const char *key, void *user), void *user)
{
    sim_redis_data_each(r->data, fn, user);
}
