#include "router/remote_choice.h"
#include <string.h>

static bool is_wished(const struct remote_choice_site *s, const char *wish)
{
    return strcmp(wish, "auto") == 0 || strcmp(wish, "remote") == 0 || strcmp(wish, s->name) == 0;
}

static bool has_room(const struct remote_choice_site *s)
{
    return !s->tried && s->slots != 0 && (s->sessions_max == 0 || s->sessions < s->sessions_max);
}

static bool may_take(const struct remote_choice_site *s, const char *wish)
{
    return is_wished(s, wish) && s->reachable && has_room(s);
}

static enum decision_reason why_nobody(const struct remote_choice_site *sites, size_t count,
                                       const char *wish)
{
    bool known = false, reachable = false;
    for (size_t i = 0; i < count; i++) {
        known |= is_wished(&sites[i], wish);
        reachable |= is_wished(&sites[i], wish) && (sites[i].reachable || sites[i].tried);
    }
    if (!known)
        return DECISION_REASON_NO_SUCH_SITE;
    return reachable ? DECISION_REASON_REMOTE_FULL : DECISION_REASON_REMOTE_DOWN;
}

/* The best priority that somebody has, or -1. */
static bool best_priority(const struct remote_choice_site *sites, size_t count, const char *wish,
                          int64_t *best, uint64_t *weights)
{
    bool any = false;
    *weights = 0;
    for (size_t i = 0; i < count; i++) {
        const struct remote_choice_site *s = &sites[i];
        if (!may_take(s, wish) || (any && s->priority > *best))
            continue;
        if (!any || s->priority < *best)
            *weights = 0;
        any = true;
        *best = s->priority;
        *weights += (uint64_t)s->weight;
    }
    return any;
}

int remote_choice_make(const struct remote_choice_site *sites, size_t count, const char *wish,
                       uint64_t draw, enum decision_reason *why)
{
    int64_t priority = 0;
    uint64_t weights;
    int last = -1;
    if (!best_priority(sites, count, wish, &priority, &weights)) {
        *why = why_nobody(sites, count, wish);
        return -1;
    }
    uint64_t at = weights > 0 ? draw % weights : 0;
    for (size_t i = 0; i < count; i++) {
        const struct remote_choice_site *s = &sites[i];
        if (!may_take(s, wish) || s->priority != priority)
            continue;
        last = (int)i;
        if (at < (uint64_t)s->weight)
            break;
        at -= (uint64_t)s->weight;
    }
    return last;
}

enum decision_elsewhere remote_choice_elsewhere(const struct remote_choice_site *sites,
                                                size_t count)
{
    enum decision_reason why;
    if (count == 0)
        return DECISION_ELSEWHERE_NONE;
    return remote_choice_make(sites, count, "auto", 0, &why) >= 0 ? DECISION_ELSEWHERE_OPEN
                                                                  : DECISION_ELSEWHERE_DOWN;
}
