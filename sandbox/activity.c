#include "sandbox/activity.h"
#include "base/cc.h"
#include <stdio.h>
#include <string.h>

void activity_init(struct activity *a, int64_t now_ms)
{
    *a = (struct activity){.seq = 1, .last_at_ms = now_ms, .last_end_ms = -1, .deadline_at_ms = -1};
}

void activity_changed(struct activity *a)
{
    a->seq++;
}

void activity_start(struct activity *a, int64_t now_ms)
{
    a->started = true;
    activity_touch(a, now_ms);
}

void activity_set_deadline(struct activity *a, int64_t at_ms)
{
    a->deadline_at_ms = at_ms;
    activity_changed(a);
}

void activity_touch(struct activity *a, int64_t now_ms)
{
    a->last_at_ms = now_ms;
    activity_changed(a);
}

void activity_submitted(struct activity *a, const char *execution_id, int64_t now_ms)
{
    snprintf(a->last_execution, sizeof(a->last_execution), "%s", execution_id);
    a->submitted++;
    a->running++;
    activity_touch(a, now_ms);
}

void activity_ended(struct activity *a, int64_t now_ms)
{
    INVARIANT(a->running > 0);
    a->running--;
    a->last_end_ms = now_ms;
    activity_touch(a, now_ms);
}

int64_t activity_idle_ms(const struct activity *a, int64_t now_ms)
{
    return a->running > 0 ? 0 : now_ms - a->last_at_ms;
}

bool activity_quiesce(struct activity *a, int64_t if_idle_ms, int64_t now_ms)
{
    if (a->quiesced)
        return true;
    if (a->running > 0 || activity_idle_ms(a, now_ms) < if_idle_ms)
        return false;
    activity_force_quiesce(a);
    return true;
}

void activity_force_quiesce(struct activity *a)
{
    if (a->quiesced)
        return;
    a->quiesced = true;
    activity_changed(a);
}

void activity_tender_enter(struct activity *a, const char *name)
{
    if (strcmp(a->tender, name) != 0) {
        snprintf(a->tender, sizeof(a->tender), "%s", name);
        a->tender_calls = 0;
    }
    a->tender_calls++;
}

void activity_tender_leave(struct activity *a, const char *name, int64_t now_ms)
{
    if (strcmp(a->tender, name) != 0 || a->tender_calls == 0)
        return;
    a->tender_calls--;
    a->tender_left_ms = now_ms;
}

int64_t activity_tended_ms(const struct activity *a, int64_t now_ms)
{
    return a->tender[0] == '\0' || a->tender_calls > 0 ? 0 : now_ms - a->tender_left_ms;
}
