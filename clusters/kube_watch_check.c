#include "base/json.h"
#include "base/world.h"
#include "clusters/kube_object.h"
#include "clusters/kube_transport.h"
#include "clusters/kube_watch_machine.h"

#define CHECK_MS 5000

static void on_checked(struct http_call *c, const struct http_call_result *r, void *user)
{
    struct kube_watch *w = user;

    (void)c;
    w->call = NULL;
    if (w->fsm.state != KUBE_WATCH_CHECKING)
        return;
    if (!kube_watch_is_good(r)) {
        kube_watch_refused(w, r);
        return;
    }
    w->last_event_ms = world_now_ms(w->world);
    struct json_t *list = json_parse_object(r->body, NULL);
    const char *now = json_get_text(json_get(list, "metadata"), "resourceVersion", "");
    /* An older version than ours: the server has lost its history, and what we know may never have
     * been. */
    bool rewound = kube_version_older(now, w->version);
    w->behind = !rewound && now[0] != '\0';
    kube_watch_go(w, w->behind ? KUBE_WATCH_WATCHING : KUBE_WATCH_LISTING, 0);
    json_free(list);
}

void kube_watch_check_begin(struct kube_watch *w)
{
    struct kube_transport_request req = {.total_ms = CHECK_MS, .reply_max = KUBE_WATCH_PAGE_BYTES};
    struct buf path;

    buf_init(&path, KUBE_WATCH_PATH_BYTES);
    buf_addf(&path, "%s?limit=1", w->path);
    kube_watch_ask(w, &req, &path, on_checked);
}
