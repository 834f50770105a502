/* breaker.h - is it worth calling this remote now? Pure: time and randomness from outside.
 *
 *   CLOSED     calls go; BREAKER_FAILURES failures in a row open it
 *   OPEN       no call goes until the pause is over (doubling, with jitter, so that gateways do not
 *              come back together)
 *   HALF_OPEN  one probe at a time; its success closes, its failure opens again */
#pragma once
#include "base/cc.h"
#include <stdbool.h>
#include <stdint.h>

#define BREAKER_FAILURES     5
#define BREAKER_PAUSE_MS     1000
#define BREAKER_PAUSE_MAX_MS 5000

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

/* Plain data: all zeroes is a closed one. */
struct breaker {
    enum breaker_state state;
    int failures; /* in a row */
    int64_t retry_ms;
    int64_t pause_ms; /* of the next opening */
    uint64_t opened;  /* how often, ever */
};

/* OPEN whose pause is over is HALF_OPEN. */
enum breaker_state breaker_state(struct breaker *b, int64_t now_ms);
/* Ordinary calls may go. */
bool breaker_allows(struct breaker *b, int64_t now_ms);
void breaker_succeeded(struct breaker *b);
/* `draw` is any random number. True when this failure opened it. */
bool breaker_failed(struct breaker *b, int64_t now_ms, uint64_t draw);
const char *breaker_state_word(enum breaker_state s);
