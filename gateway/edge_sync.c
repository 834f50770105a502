#include "gateway/edge_sync.h"

#include "base/world.h"
#include "clusters/kube_store.h"
#include "gateway/gateway.h"
#include "gateway/session.h"
#include "router/edge_reservations.h"
#include "watermark/reservations.h"

#include <stdio.h>
#include <string.h>

static void make_key(const char *session_id, const char *epoch, char out[EDGE_KEY_SIZE])
{
    snprintf(out, EDGE_KEY_SIZE, "%s/%s", session_id, epoch);
}

void edge_sync_key(const struct session *s, char out[EDGE_KEY_SIZE])
{
    make_key(s->id, s->epoch, out);
}

bool edge_sync_sees(const struct gateway *g, const char *key)
{
    size_t len = strcspn(key, "/");
    char id[SESSION_ID_SIZE];

    if (len >= sizeof(id) || key[len] != '/')
        return false;
    snprintf(id, sizeof(id), "%.*s", (int)len, key);
    const struct kube_pod *pod = kube_store_session(g->store, id);
    return pod && kube_pod_alive(pod) && strcmp(pod->marks.epoch, key + len + 1) == 0;
}

/* Every gateway takes out what it saw go, and asks behind that: so none counts a pod that it knows
 * to be gone. One whose create was given up takes its slot itself from now on. */
static void on_pod(const struct kube_pod *before, const struct kube_pod *after, void *user)
{
    struct gateway *g = user;
    char key[EDGE_KEY_SIZE];

    if (after && kube_pod_alive(after))
        reservations_seen(g->reservations, after->marks.session_id, world_now_ms(g->world));
    if (!before || *before->marks.session_id == '\0' || !kube_pod_alive(before) ||
        (after && kube_pod_alive(after)))
        return;
    make_key(before->marks.session_id, before->marks.epoch, key);
    edge_reservations_release(g->edge, key);
    reservations_release(g->reservations, before->marks.session_id);
}

void edge_sync_start(struct gateway *g)
{
    kube_store_subscribe(g->store, on_pod, g);
}
