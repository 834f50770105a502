/* edge_reservations.h - who takes the last slots of a site: agreed between its gateways through
 * Redis.
 *
 * Placements on their way stand in a sorted set by the end of their time; Redis' own clock judges.
 * A gateway may place when those that it does not see in its own watch are fewer than the room it
 * sees: every pod is then either seen or counted. A placement stays for a moment after its pod was
 * seen here, as the others' watches may lag behind ours.
 *
 * Placements of several shapes count one slot each: who asks for much may still meet a full node,
 * and is moved as unschedulable.
 * A placement goes by a key of the caller's, without blanks, at most EDGE_KEY_MAX bytes.
 * Callbacks: exactly once, never before the call returned, and not after edge_reservations_free().
 */
#pragma once
#include "base/cc.h"
#include <stdbool.h>
#include <stdint.h>

#define EDGE_KEY_MAX 127

struct redis_client;
struct edge_reservations;

enum edge_answer {
    EDGE_GRANTED,
    EDGE_REFUSED, /* what is left is being taken by others */
    EDGE_UNKNOWN  /* Redis does not tell: see edge_share_allows() */
};
typedef void edge_done_f(enum edge_answer answer, void *user);

/* What the asking gateway sees; asked in one turn, so that both fit together. */
struct edge_view {
    int64_t (*room)(void *user); /* slots for it, its own placements on their way not deducted */
    bool (*sees)(const char *key, void *user); /* its pod takes room already */
};

/* `ttl_ms`: how long a placement counts that nobody takes back. `settle_ms`: after it was seen. */
struct edge_reservations *edge_reservations_new(struct redis_client *r, const char *site,
                                                int64_t ttl_ms, int64_t settle_ms) CHECK_RESULT;
void edge_reservations_free(struct edge_reservations **e);
/* Borrows `view` and `user` until the answer. */
void edge_reservations_take(struct edge_reservations *e, const char *key,
                            const struct edge_view *view, edge_done_f *done, void *user);
/* Far from the edge: lets the others know and waits for nobody. */
void edge_reservations_note(struct edge_reservations *e, const char *key);
void edge_reservations_seen(struct edge_reservations *e, const char *key);
void edge_reservations_release(struct edge_reservations *e, const char *key);

/* -- the pure part -- */

/* Is it so near that the gateways must agree? `recent`: own placements that others may not see. */
bool edge_is_near(int64_t room, int64_t recent, int64_t gateways);
/* Without agreement each gateway takes its share and no more; one at least, or the last slots would
 * be nobody's. */
bool edge_share_allows(int64_t room, int64_t recent, int64_t gateways);
