#include "gateway/remote_pick.h"

#include "base/world.h"
#include "gateway/gateway.h"
#include "router/remote.h"

int remote_pick_next(struct gateway *g, const char *wish, const bool *tried,
                     enum decision_reason *why)
{
    struct remote_choice_site sites[REMOTES_MAX];
    size_t count = remotes_choices(g->remotes, sites);
    uint64_t draw;
    for (size_t i = 0; tried && i < count; i++)
        sites[i].tried = tried[i];
    world_random(g->world, &draw, sizeof(draw));
    return remote_choice_make(sites, count, wish, draw, why);
}

enum decision_elsewhere remote_pick_elsewhere(struct gateway *g)
{
    struct remote_choice_site sites[REMOTES_MAX];
    return remote_choice_elsewhere(sites, remotes_choices(g->remotes, sites));
}

const char *remote_pick_name(struct gateway *g, const char *wish, enum decision_reason *why)
{
    int chosen = remote_pick_next(g, wish, NULL, why);
    return chosen >= 0 ? remote_name(remotes_at(g->remotes, (size_t)chosen)) : NULL;
}

bool remote_pick_possible(struct gateway *g, const char *wish, struct err *err)
{
    enum decision_reason why = DECISION_REASON_NO_SUCH_SITE;
    if (remote_pick_next(g, wish, NULL, &why) >= 0)
        return true;
    enum err_code code = why == DECISION_REASON_NO_SUCH_SITE  ? ERR_INVALID_ARGUMENT
                         : why == DECISION_REASON_REMOTE_DOWN ? ERR_SITE_UNREACHABLE
                                                              : ERR_CAPACITY_FULL;
    err_set(err, code, "%s", decision_reason_text(why));
    return false;
}
