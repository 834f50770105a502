/* activity.h - what the gateways ask before they end a session: does anything run, since when not,
 * who tends it. Pure: times are milliseconds of one monotonic clock, given by the caller. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct activity {
    int64_t seq; /* grows with every change a gateway should hear of */
    bool started;
    bool quiesced;
    int running;
    int64_t submitted;      /* executions, ever */
    int64_t last_at_ms;     /* last end or request that counts */
    int64_t last_end_ms;    /* -1: none ended yet */
    int64_t deadline_at_ms; /* -1: not known yet */
    char last_execution[65];
    char tender[64];
    int tender_calls;       /* open calls of the tender */
    int64_t tender_left_ms; /* when its last call ended */
};

void activity_init(struct activity *a, int64_t now_ms);
void activity_start(struct activity *a, int64_t now_ms);
void activity_set_deadline(struct activity *a, int64_t at_ms);
/* A request that restarts idle and linger: stdin, cancel. */
void activity_touch(struct activity *a, int64_t now_ms);
void activity_submitted(struct activity *a, const char *execution_id, int64_t now_ms);
void activity_ended(struct activity *a, int64_t now_ms);
/* Something else changed: what is stored. */
void activity_changed(struct activity *a);
int64_t activity_idle_ms(const struct activity *a, int64_t now_ms);
/* True when it agreed, or had before. */
bool activity_quiesce(struct activity *a, int64_t if_idle_ms, int64_t now_ms);
void activity_force_quiesce(struct activity *a);
/* A call of `name` came, or left. A new name takes over; a call of an older one leaving changes
 * nothing. */
void activity_tender_enter(struct activity *a, const char *name);
void activity_tender_leave(struct activity *a, const char *name, int64_t now_ms);
int64_t activity_tended_ms(const struct activity *a, int64_t now_ms);
