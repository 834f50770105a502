/* reservations.h - placements of this gateway that the watch does not show yet; pure, time from
 * outside. Taken before the create, released when the pod shows in the store, on failure, or after
 * its time. */
#pragma once
#include "base/cc.h"
#include <stdbool.h>
#include <stdint.h>

struct reservations;
struct reservations *reservations_new(int64_t ttl_ms) CHECK_RESULT;
void reservations_free(struct reservations **r);
void reservations_take(struct reservations *r, const char *session_id, int64_t now_ms);
void reservations_release(struct reservations *r, const char *session_id);
int64_t reservations_count(struct reservations *r, int64_t now_ms); /* drops what is over time */
