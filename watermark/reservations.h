/* reservations.h - placements of this gateway that others, or it itself, may not see yet; pure,
 * time from outside.
 *
 * Taken before the create. As long as its pod is not in the store a reservation takes a slot here;
 * from reservations_seen() on the pod itself does, and the reservation only counts as recent: the
 * other gateways' watches may lag behind ours. */
#pragma once
#include "base/cc.h"
#include <stdbool.h>
#include <stdint.h>

struct reservations;
/* `ttl_ms`: when one that nobody released is dropped. `settle_ms`: how long one stays recent after
 * its pod was seen. */
struct reservations *reservations_new(int64_t ttl_ms, int64_t settle_ms) CHECK_RESULT;
void reservations_free(struct reservations **r);
void reservations_take(struct reservations *r, const char *session_id, int64_t now_ms);
void reservations_seen(struct reservations *r, const char *session_id, int64_t now_ms);
void reservations_release(struct reservations *r, const char *session_id); /* it came to nothing */
/* … or not: its create may have been carried out, and its pod be seen any moment. */
void reservations_doubt(struct reservations *r, const char *session_id, int64_t until_ms);
/* Both drop what is over time. */
int64_t reservations_count(struct reservations *r, int64_t now_ms);  /* not seen yet */
int64_t reservations_recent(struct reservations *r, int64_t now_ms); /* seen or not */
