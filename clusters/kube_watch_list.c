#include "base/json.h"
#include "base/mem.h"
#include "base/world.h"
#include "clusters/kube_client.h"
#include "clusters/kube_known.h"
#include "clusters/kube_transport.h"
#include "clusters/kube_watch_machine.h"
#include <stdlib.h>

#define PAGE_ITEMS 500
#define LIST_MS    60000

static void take_page(struct kube_watch *w, const struct json_t *list)
{
    struct json_t *items = json_get(list, "items");
    struct json_t *metadata = json_get(list, "metadata");
    const char *page = json_get_text(metadata, "continue", "");

    for (size_t i = 0; i < json_count(items); i++)
        kube_watch_show(w, json_item(items, i));
    free(w->page);
    w->page = page[0] != '\0' ? mem_text(page) : NULL;
    if (w->page) {
        kube_watch_go(w, KUBE_WATCH_LISTING, 0);
        return;
    }
    kube_watch_list_complete(w, json_get_text(metadata, "resourceVersion", ""));
    kube_watch_go(w, KUBE_WATCH_WATCHING, 0);
}

static void take_reply(struct kube_watch *w, struct slice body)
{
    struct err err = {0};
    struct json_t *list = json_parse_object(body, &err);

    if (!list)
        kube_watch_fail(w, KUBE_WATCH_LISTING, 0, "a list that cannot be read: %.120s", err.msg);
    else if (json_get_text(json_get(list, "metadata"), "resourceVersion", "")[0] == '\0')
        kube_watch_fail(w, KUBE_WATCH_LISTING, 0, "a list without resourceVersion");
    else
        take_page(w, list);
    json_free(list);
}

static void on_listed(struct http_call *c, const struct http_call_result *r, void *user)
{
    struct kube_watch *w = user;

    (void)c;
    w->call = NULL;
    kube_client_hear(w->client, r);
    if (w->fsm.state != KUBE_WATCH_LISTING)
        return;
    w->last_event_ms = world_now_ms(w->world);
    if (!r->err && r->status == 410) /* the continue token: begin again */
        kube_watch_expired(w);
    else if (!kube_watch_is_good(r))
        kube_watch_refused(w, r);
    else
        take_reply(w, r->body);
}

void kube_watch_list_begin(struct kube_watch *w)
{
    struct kube_transport_request req = {.total_ms = LIST_MS, .reply_max = KUBE_WATCH_PAGE_BYTES};
    struct buf path;

    buf_init(&path, KUBE_WATCH_PATH_BYTES);
    buf_addf(&path, "%s?limit=%d", w->path, PAGE_ITEMS);
    if (w->page) {
        buf_add_text(&path, "&continue=");
        kube_transport_escape(&path, w->page);
    } else {
        kube_known_begin_list(w->known);
    }
    kube_watch_ask(w, &req, &path, on_listed);
}
