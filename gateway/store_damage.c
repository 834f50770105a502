#include "gateway/store_damage.h"

#include "base/log.h"
#include "gateway/gateway.h"
#include "gateway/gateway_metrics.h"

void store_damage_note(struct gateway *g, const char *what, const char *session_id)
{
    gateway_metrics_store_damaged(g->metrics, what);
    LOG(LOG_ERROR, "store_damaged", KV("what", what), KV("session", session_id));
}

void store_damage_err(struct gateway *g, const char *what, const char *session_id, struct err *err)
{
    store_damage_note(g, what, session_id);
    err_set(err, ERR_STORE_DAMAGED,
            "the %s of '%s' in the result store is damaged, so it is not known what ran there; it "
            "is forgotten after %lld s",
            what, session_id, (long long)(g->conf.limits.tombstone_ms / 1000));
}
