#include "router/route_record.h"
#include "base/mem.h"
#include "router/redis_client.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_MAX    160
#define PENDING_MS 60000 /* a creator that died holds the id no longer */

static const char *const WORDS[] = {"pending", "active", "closing", "gone"};

/* r: what stands in KEYS[1]: state, site, epoch, tenant, fingerprint; of a claim also site and
 * epoch of a life before it, which the record says again behind the claim's time. */
#define LOOK                                                                                       \
    "local r = redis.call('HMGET', KEYS[1], 'st', 'site', 'ep', 'tn', 'fp', 'ls', 'le', 'un') "    \
    "local t = redis.call('TIME') "                                                                \
    "local now = t[1] * 1000 + math.floor(t[2] / 1000) "                                           \
    "if r[1] == 'pending' and now > (tonumber(r[8]) or now) then "                                 \
    "r = {'gone', r[6], r[7], r[4], '', '', '', ''} end "
#define PUT                                                                                        \
    "local function put(st, site, ep, tn, fp, ls, le, un, life) "                                  \
    "redis.call('HSET', KEYS[1], 'st', st, 'site', site, 'ep', ep, 'tn', tn, 'fp', fp, "           \
    "'ls', ls, 'le', le, 'un', un) redis.call('PEXPIRE', KEYS[1], life) end "

static const char READ[] = LOOK "return r";

/* ARGV: state, site, epoch, tenant, fingerprint, epoch that may be replaced, life of that in ms,
 * of a record that is gone, site and epoch of a life before. Nothing: written. Else what stands in
 * the way. */
static const char WRITE[] = LOOK PUT
    "local rank = {pending = 1, active = 2, closing = 3, gone = 4} "
    "if r[1] then "
    "if r[3] == ARGV[3] then if rank[r[1]] > rank[ARGV[1]] then return r end "
    "elseif r[1] == 'gone' then if r[4] ~= ARGV[4] then return r end "
    "elseif r[1] ~= 'pending' or (r[3] ~= ARGV[6] and ARGV[1] ~= 'active') then return r end end "
    "local st, site, ep, tn, fp, _, life, gone, before, its_ep = unpack(ARGV) "
    "local ls, le = r[6] or '', r[7] or '' "
    "if r[1] == 'gone' and r[3] ~= '-' then ls, le = r[2], r[3] end "
    "if ls == '' then ls, le = before, its_ep end "
    "if ls ~= '' and st == 'pending' then "
    "put(st, site, ep, tn, fp, ls, le, now + life, math.max(gone, life)) "
    "elseif ls ~= '' and ep == '-' then put(st, ls, le, tn, fp, '', '', '', life) "
    "else put(st, site, ep, tn, fp, '', '', '', life) end "
    "return false";

/* ARGV: site, epoch, life in ms. Nothing: written. Else what stands there. */
static const char CONDEMN[] =
    LOOK PUT "if r[1] ~= 'gone' or r[3] == ARGV[2] then return r end "
             "put('closing', ARGV[1], ARGV[2], r[4], r[5], '', '', '', ARGV[3]) "
             "return false";

static const char QUEUE_ADD[] =
    "local t = redis.call('TIME') "
    "redis.call('ZADD', KEYS[1], t[1] * 1000 + math.floor(t[2] / 1000) + ARGV[2], ARGV[1]) "
    "return false";

static const char QUEUE_TAKE[] =
    "local t = redis.call('TIME') "
    "local now = t[1] * 1000 + math.floor(t[2] / 1000) "
    "local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[2]) "
    "for _, m in ipairs(due) do redis.call('ZADD', KEYS[1], now + ARGV[1], m) end "
    "return due";

/* Outlives the records while an errand is on its way. */
struct tally {
    struct route_counts counts;
    int references;
};

struct route_records {
    struct redis_client *redis;
    struct tally *tally;
    char *complete_key;
    char active_ms[24], gone_ms[24];
    int64_t settle_ms;
};

/* One question on its way; it does not need the records any more. */
struct errand {
    struct tally *tally;
    enum route_operation operation;
    route_record_f *fn;
    route_queue_f *queue_fn;
    void *user;
    struct route_answer answer;
    struct err err;
};

struct route_records *route_records_new(struct redis_client *redis,
                                        const struct route_records_conf *conf)
{
    struct route_records *r = mem_alloc(sizeof(*r));
    r->redis = redis;
    r->tally = mem_alloc(sizeof(*r->tally));
    r->tally->references = 1;
    r->complete_key = mem_format("spillway:routes:%s", conf->site);
    r->settle_ms = conf->settle_ms;
    snprintf(r->active_ms, sizeof(r->active_ms), "%" PRId64, conf->active_ms);
    snprintf(r->gone_ms, sizeof(r->gone_ms), "%" PRId64, conf->gone_ms);
    return r;
}

static void tally_unref(struct tally *t)
{
    if (--t->references == 0)
        free(t);
}

void route_records_free(struct route_records **at)
{
    struct route_records *r = *at;
    *at = NULL;
    if (!r)
        return;
    free(r->complete_key);
    tally_unref(r->tally);
    free(r);
}

const struct route_counts *route_records_counts(const struct route_records *r)
{
    return &r->tally->counts;
}

const char *route_operation_word(enum route_operation o)
{
    static const char *const NAMES[ROUTE_OP_COUNT] = {"read",     "write",   "drop",
                                                      "complete", "deletes", "looks"};
    return NAMES[o];
}

static struct errand *errand_new(struct route_records *r, enum route_operation operation,
                                 route_record_f *fn, void *user)
{
    struct errand *e = mem_alloc(sizeof(*e));
    e->tally = r->tally;
    e->tally->references++;
    e->operation = operation;
    e->fn = fn;
    e->user = user;
    return e;
}

static void count(const struct errand *e, const struct err *err)
{
    struct route_counts *n = &e->tally->counts;
    ++*(err ? &n->failed[e->operation] : &n->done[e->operation]);
    tally_unref(e->tally);
}

static void answer(struct errand *e, const struct err *err)
{
    count(e, err);
    e->fn(err ? NULL : &e->answer, err, e->user);
    free(e);
}

/* The braces are Redis Cluster's hash tag: all of a session lies in one slot. */
static struct slice record_key(char key[KEY_MAX], const char *id)
{
    snprintf(key, KEY_MAX, "spillway:{%s}:r", id);
    return slice_of(key);
}

static const struct {
    const char *word;
    enum route_operation operation;
} QUEUES[] = {{"deletes", ROUTE_OP_DELETES}, {"looks", ROUTE_OP_LOOKS}};

static struct slice queue_key(char key[KEY_MAX], enum route_queue q, const char *remote)
{
    snprintf(key, KEY_MAX, "spillway:%s:%s", QUEUES[q].word, remote);
    return slice_of(key);
}

/* -- records -- */

static void copy_text(char *out, size_t size, const struct redis_value *v)
{
    snprintf(out, size, "%.*s", v->kind == REDIS_TEXT ? (int)v->text.len : 0, v->text.at);
}

static bool read_record(struct route_record *out, const struct redis_value *v)
{
    if (v->kind != REDIS_LIST || v->count < 5 || v->items[0].kind != REDIS_TEXT)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(WORDS); i++) {
        if (!slice_eq(v->items[0].text, WORDS[i]))
            continue;
        out->state = (enum route_state)i;
        copy_text(out->site, sizeof(out->site), &v->items[1]);
        copy_text(out->epoch, sizeof(out->epoch), &v->items[2]);
        copy_text(out->tenant, sizeof(out->tenant), &v->items[3]);
        copy_text(out->fingerprint, sizeof(out->fingerprint), &v->items[4]);
        if (v->count > 5)
            copy_text(out->lived, sizeof(out->lived), &v->items[5]);
        return *out->site && *out->epoch;
    }
    return false;
}

/* Of HMGET: a key that is not there is a list of nothing. */
static bool is_empty(const struct redis_value *v)
{
    for (size_t i = 0; v->kind == REDIS_LIST && i < v->count; i++) {
        if (v->items[i].kind == REDIS_TEXT)
            return false;
    }
    return v->kind == REDIS_LIST;
}

static void on_written(const struct redis_value *value, const struct err *err, void *user)
{
    struct errand *e = user;
    e->answer.found = !err && read_record(&e->answer.record, value);
    answer(e, err);
}

static void on_complete(const struct redis_value *value, const struct err *err, void *user)
{
    struct errand *e = user;
    e->answer.complete = !err && value->kind == REDIS_NUMBER && value->number > 0;
    e->answer.sure = e->answer.complete && e->answer.settled && !e->answer.damaged;
    answer(e, e->err.code != ERR_NONE ? &e->err : err);
}

static void on_read(const struct redis_value *value, const struct err *err, void *user)
{
    struct errand *e = user; /* the second answer ends it */
    if (err)
        e->err = *err;
    else
        e->answer.found = read_record(&e->answer.record, value);
    e->answer.damaged = !err && !e->answer.found && !is_empty(value);
}

bool route_record_has_lived(const struct route_record *r)
{
    return strcmp(r->epoch, ROUTE_EPOCH_NONE) != 0;
}

void route_record_get(struct route_records *r, const char *id, route_record_f *fn, void *user)
{
    char key[KEY_MAX];
    struct errand *e = errand_new(r, ROUTE_OP_READ, fn, user);
    e->answer.settled = redis_client_up_ms(r->redis) >= r->settle_ms;
    const struct slice get[] = {slice_of("EVAL"), slice_of(READ), slice_of("1"),
                                record_key(key, id)};
    const struct slice exists[] = {slice_of("EXISTS"), slice_of(r->complete_key)};
    redis_command(r->redis, get, ARRAY_LEN(get), on_read, e);
    redis_command(r->redis, exists, ARRAY_LEN(exists), on_complete, e);
}

void route_record_write(struct route_records *r, const char *id, const struct route_record *record,
                        const char *instead_of, route_record_f *fn, void *user)
{
    char key[KEY_MAX], pending[16];
    snprintf(pending, sizeof(pending), "%d", PENDING_MS);
    const char *life = record->state == ROUTE_PENDING ? pending
                       : record->state == ROUTE_GONE  ? r->gone_ms
                                                      : r->active_ms;
    const struct slice args[] = {slice_of("EVAL"),
                                 slice_of(WRITE),
                                 slice_of("1"),
                                 record_key(key, id),
                                 slice_of(WORDS[record->state]),
                                 slice_of(record->site),
                                 slice_of(record->epoch),
                                 slice_of(record->tenant),
                                 slice_of(record->fingerprint),
                                 slice_of(instead_of ? instead_of : "-"),
                                 slice_of(life),
                                 slice_of(r->gone_ms),
                                 slice_of(record->lived),
                                 slice_of(record->lived_epoch)};
    redis_command(r->redis, args, ARRAY_LEN(args), on_written,
                  errand_new(r, ROUTE_OP_WRITE, fn, user));
}

void route_record_condemn(struct route_records *r, const char *id, const char *site,
                          const char *epoch, route_record_f *fn, void *user)
{
    char key[KEY_MAX];
    const struct slice args[] = {slice_of("EVAL"),      slice_of(CONDEMN), slice_of("1"),
                                 record_key(key, id),   slice_of(site),    slice_of(epoch),
                                 slice_of(r->active_ms)};
    redis_command(r->redis, args, ARRAY_LEN(args), on_written,
                  errand_new(r, ROUTE_OP_WRITE, fn, user));
}

void route_records_mark_complete(struct route_records *r, route_record_f *fn, void *user)
{
    const struct slice args[] = {slice_of("SET"), slice_of(r->complete_key), slice_of("1")};
    redis_command(r->redis, args, ARRAY_LEN(args), on_written,
                  errand_new(r, ROUTE_OP_COMPLETE, fn, user));
}

/* -- queues -- */

/* A member is the id, a blank, the epoch, and this where it is so. */
static const char WANTED[] = " wanted";

struct route_item route_item_of(const char *id, const char *epoch)
{
    struct route_item item = {.wanted = false};
    snprintf(item.id, sizeof(item.id), "%s", id);
    snprintf(item.epoch, sizeof(item.epoch), "%s", epoch);
    return item;
}

static struct slice print_member(char out[KEY_MAX], const struct route_item *d)
{
    snprintf(out, KEY_MAX, "%s %s%s", d->id, d->epoch, d->wanted ? WANTED : "");
    return slice_of(out);
}

void route_queue_add(struct route_records *r, enum route_queue q, const char *remote,
                     const struct route_item *d, int64_t after_ms, route_record_f *fn, void *user)
{
    char key[KEY_MAX], member[KEY_MAX], after[24];
    snprintf(after, sizeof(after), "%" PRId64, after_ms);
    const struct slice args[] = {slice_of("EVAL"),        slice_of(QUEUE_ADD),
                                 slice_of("1"),           queue_key(key, q, remote),
                                 print_member(member, d), slice_of(after)};
    redis_command(r->redis, args, ARRAY_LEN(args), on_written,
                  errand_new(r, QUEUES[q].operation, fn, user));
}

void route_queue_done(struct route_records *r, enum route_queue q, const char *remote,
                      const struct route_item *d, route_record_f *fn, void *user)
{
    char key[KEY_MAX], member[KEY_MAX];
    const struct slice args[] = {slice_of("ZREM"), queue_key(key, q, remote),
                                 print_member(member, d)};
    redis_command(r->redis, args, ARRAY_LEN(args), on_written,
                  errand_new(r, QUEUES[q].operation, fn, user));
}

static bool read_item(struct route_item *out, const struct redis_value *v)
{
    const char *gap = v->kind == REDIS_TEXT ? memchr(v->text.at, ' ', v->text.len) : NULL;
    if (!gap)
        return false;
    struct slice epoch = {gap + 1, (size_t)(v->text.at + v->text.len - gap - 1)};
    const char *end = memchr(epoch.at, ' ', epoch.len);
    out->wanted = end != NULL;
    if (end)
        epoch.len = (size_t)(end - epoch.at);
    snprintf(out->id, sizeof(out->id), "%.*s", (int)(gap - v->text.at), v->text.at);
    snprintf(out->epoch, sizeof(out->epoch), "%.*s", SLICE_ARG(epoch));
    return *out->id && *out->epoch;
}

static void on_taken(const struct redis_value *value, const struct err *err, void *user)
{
    struct errand e = *(struct errand *)user;
    struct route_item items[ROUTE_QUEUE_MAX];
    size_t found = 0;
    count(&e, err);
    free(user);
    for (size_t i = 0; !err && value->kind == REDIS_LIST && i < value->count; i++) {
        if (found < ROUTE_QUEUE_MAX && read_item(&items[found], &value->items[i]))
            found++;
    }
    e.queue_fn(items, found, err, e.user);
}

void route_queue_take(struct route_records *r, enum route_queue q, const char *remote,
                      int64_t lease_ms, route_queue_f *fn, void *user)
{
    char key[KEY_MAX], lease[24], most[16];
    struct errand *e = errand_new(r, QUEUES[q].operation, NULL, user);
    e->queue_fn = fn;
    snprintf(lease, sizeof(lease), "%" PRId64, lease_ms);
    snprintf(most, sizeof(most), "%d", ROUTE_QUEUE_MAX);
    const struct slice args[] = {slice_of("EVAL"),          slice_of(QUEUE_TAKE), slice_of("1"),
                                 queue_key(key, q, remote), slice_of(lease),      slice_of(most)};
    redis_command(r->redis, args, ARRAY_LEN(args), on_taken, e);
}
