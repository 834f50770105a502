#include "watermark/reservations.h"
#include "base/mem.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct reservation {
    UT_hash_handle hh;
    int64_t until_ms;
    char session_id[]; /* the key */
};

struct reservations {
    struct reservation
        *by_session; /* in the order of their ends, as all have the same time to live */
    int64_t ttl_ms;
};

struct reservations *reservations_new(int64_t ttl_ms)
{
    struct reservations *r = mem_alloc(sizeof(*r));

    r->ttl_ms = ttl_ms;
    return r;
}

static void drop(struct reservations *r, struct reservation *one)
{
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

void reservations_release(struct reservations *r, const char *session_id)
{
    struct reservation *one;

    HASH_FIND_STR(r->by_session, session_id, one);
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
}

int64_t reservations_count(struct reservations *r, int64_t now_ms)
{
    while (r->by_session && r->by_session->until_ms <= now_ms)
        drop(r, r->by_session);
    return (int64_t)HASH_COUNT(r->by_session);
}
