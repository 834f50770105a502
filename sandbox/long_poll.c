#include "sandbox/long_poll.h"
#include "base/mem.h"
#include <stdlib.h>

struct long_poll {
    struct long_poll *next;
    struct long_polls *owner;
    struct http_exchange *exchange; /* NULL: answered, to be swept */
    struct timer *timer;
    long_poll_answer_f *answer;
    long_poll_left_f *left;
    void *item;
};

struct long_polls {
    struct loop *loop;
    struct long_poll *first;
    bool waking;
};

struct long_polls *long_polls_new(struct loop *l)
{
    struct long_polls *p = mem_alloc(sizeof(*p));
    p->loop = l;
    return p;
}

static void sweep(struct long_polls *p)
{
    struct long_poll **at = &p->first;
    while (*at) {
        struct long_poll *one = *at;
        if (one->exchange) {
            at = &one->next;
            continue;
        }
        *at = one->next;
        timer_free(loop_world(p->loop), &one->timer);
        free(one);
    }
}

static void finish(struct long_poll *one)
{
    one->exchange = NULL;
    timer_stop(loop_world(one->owner->loop), one->timer);
    if (one->left)
        one->left(one->item);
}

static void wake_all(void *user)
{
    struct long_polls *p = user;
    p->waking = false;
    for (struct long_poll *one = p->first; one; one = one->next)
        if (one->exchange && one->answer(one->exchange, one->item, false))
            finish(one);
    sweep(p);
}

void long_polls_wake(struct long_polls *p)
{
    if (p->waking)
        return;
    p->waking = true;
    loop_defer(p->loop, wake_all, p);
}

/* Time is up, or nobody listens any more: either way it is answered now, and swept with the next
 * wake. */
static void give_up(struct long_poll *one)
{
    if (!one->exchange)
        return;
    http_exchange_on_gone(one->exchange, NULL, NULL);
    bool answered = one->answer(one->exchange, one->item, true);
    INVARIANT(answered);
    finish(one);
    long_polls_wake(one->owner);
}

static void on_time_up(void *user)
{
    give_up(user);
}

static void on_gone(struct http_exchange *x, void *user)
{
    (void)x;
    give_up(user);
}

void long_polls_add(struct long_polls *p, struct http_exchange *x, int64_t wait_ms,
                    long_poll_answer_f *answer, long_poll_left_f *left, void *item)
{
    if (answer(x, item, wait_ms <= 0)) {
        if (left)
            left(item);
        return;
    }
    struct long_poll *one = mem_alloc(sizeof(*one));
    *one = (struct long_poll){p->first, p, x, NULL, answer, left, item};
    p->first = one;
    one->timer = timer_new(loop_world(p->loop), on_time_up, one);
    timer_start(loop_world(p->loop), one->timer, wait_ms, 0);
    http_exchange_on_gone(x, on_gone, one);
}
