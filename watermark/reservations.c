#include "watermark/reservations.h"
#include "base/mem.h"
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

struct reservation {
    UT_hash_handle hh;
    struct reservation *prev, *next; /* in the order of their ends */
    int64_t until_ms;
    bool seen;
    char session_id[]; /* the key */
};

struct reservations {
    struct reservation *by_session;
    struct reservation *waiting; /* not seen */
    struct reservation *settled; /* seen: all have the same time left, so both lists are in order */
    int64_t ttl_ms, settle_ms;
    int64_t waiting_count;
};

struct reservations *reservations_new(int64_t ttl_ms, int64_t settle_ms)
{
    struct reservations *r = mem_alloc(sizeof(*r));

    r->ttl_ms = ttl_ms;
    r->settle_ms = settle_ms;
    return r;
}

static void take_out(struct reservations *r, struct reservation *one)
{
    if (one->seen) {
        DL_DELETE(r->settled, one);
        return;
    }
    DL_DELETE(r->waiting, one);
    r->waiting_count--;
}

static void drop(struct reservations *r, struct reservation *one)
{
    take_out(r, one);
    HASH_DEL(r->by_session, one);
    free(one);
}

void reservations_free(struct reservations **at)
{
    struct reservations *r = *at;

    *at = NULL;
    if (!r)
        return;
    while (r->by_session)
        drop(r, r->by_session);
    free(r);
}

static struct reservation *find(struct reservations *r, const char *session_id)
{
    struct reservation *one;

    HASH_FIND_STR(r->by_session, session_id, one);
    return one;
}

void reservations_release(struct reservations *r, const char *session_id)
{
    struct reservation *one = find(r, session_id);

    if (one)
        drop(r, one);
}

void reservations_take(struct reservations *r, const char *session_id, int64_t now_ms)
{
    size_t len = strlen(session_id);
    struct reservation *one = mem_alloc(sizeof(*one) + len + 1);

    reservations_release(r, session_id);
    memcpy(one->session_id, session_id, len + 1);
    one->until_ms = now_ms + r->ttl_ms;
    HASH_ADD_STR(r->by_session, session_id, one);
    DL_APPEND(r->waiting, one);
    r->waiting_count++;
}

static int by_end(const struct reservation *a, const struct reservation *b)
{
    return (a->until_ms > b->until_ms) - (a->until_ms < b->until_ms);
}

void reservations_doubt(struct reservations *r, const char *session_id, int64_t until_ms)
{
    struct reservation *one = find(r, session_id);

    if (!one || one->seen || until_ms > one->until_ms)
        return;
    DL_DELETE(r->waiting, one);
    one->until_ms = until_ms;
    DL_INSERT_INORDER(r->waiting, one, by_end);
}

void reservations_seen(struct reservations *r, const char *session_id, int64_t now_ms)
{
    struct reservation *one = find(r, session_id);

    if (!one || one->seen)
        return;
    take_out(r, one);
    one->seen = true;
    one->until_ms = now_ms + r->settle_ms;
    DL_APPEND(r->settled, one);
}

static void drop_old(struct reservations *r, int64_t now_ms)
{
    while (r->waiting && r->waiting->until_ms <= now_ms)
        drop(r, r->waiting);
    while (r->settled && r->settled->until_ms <= now_ms)
        drop(r, r->settled);
}

int64_t reservations_count(struct reservations *r, int64_t now_ms)
{
    drop_old(r, now_ms);
    return r->waiting_count;
}

int64_t reservations_recent(struct reservations *r, int64_t now_ms)
{
    drop_old(r, now_ms);
    return (int64_t)HASH_COUNT(r->by_session);
}
