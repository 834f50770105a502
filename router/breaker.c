#include "router/breaker.h"

enum breaker_state breaker_state(struct breaker *b, int64_t now_ms)
{
    if (b->state == BREAKER_OPEN && now_ms >= b->retry_ms)
        b->state = BREAKER_HALF_OPEN;
    return b->state;
}

bool breaker_allows(struct breaker *b, int64_t now_ms)
{
    return breaker_state(b, now_ms) == BREAKER_CLOSED;
}

void breaker_succeeded(struct breaker *b)
{
    b->state = BREAKER_CLOSED;
    b->failures = 0;
    b->pause_ms = 0;
}

static void open_it(struct breaker *b, int64_t now_ms, uint64_t draw)
{
    int64_t pause_ms = b->pause_ms > 0 ? b->pause_ms : BREAKER_PAUSE_MS;
    b->state = BREAKER_OPEN;
    b->retry_ms = now_ms + pause_ms + (int64_t)(draw % (uint64_t)(pause_ms / 2));
    b->pause_ms = pause_ms * 2 < BREAKER_PAUSE_MAX_MS ? pause_ms * 2 : BREAKER_PAUSE_MAX_MS;
    b->opened++;
}

bool breaker_failed(struct breaker *b, int64_t now_ms, uint64_t draw)
{
    enum breaker_state state = breaker_state(b, now_ms);
    b->failures++;
    if (state == BREAKER_OPEN) /* one that was on its way already */
        return false;
    if (state == BREAKER_CLOSED && b->failures < BREAKER_FAILURES)
        return false;
    open_it(b, now_ms, draw);
    return true;
}

const char *breaker_state_word(enum breaker_state s)
{
    static const char *const WORDS[] = {"closed", "open", "half_open"};
    return WORDS[s];
}
