#include "http/http_lane.h"
#include "base/mem.h"
#include "base/world.h"
#include <stdlib.h>
#include <uv.h>

#define CONNECTIONS_KEPT 64L

/* One socket that libcurl wants watched. */
struct watch {
    struct http_lane *lane;
    curl_socket_t fd;
    uv_poll_t poll;
};

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct watch *w = poll->data;
    int flags = status < 0 ? CURL_CSELECT_ERR : 0;
    flags |= events & UV_READABLE ? CURL_CSELECT_IN : 0;
    flags |= events & UV_WRITABLE ? CURL_CSELECT_OUT : 0;
    w->lane->drive(w->lane, w->fd, flags);
}

static void on_watch_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *socket_user)
{
    struct http_lane *l = user;
    struct watch *w = socket_user;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (w != NULL) {
            uv_poll_stop(&w->poll);
            uv_close((uv_handle_t *)&w->poll, on_watch_closed);
            curl_multi_assign(l->multi, fd, NULL);
        }
        return 0;
    }
    if (w == NULL) {
        w = mem_alloc(sizeof(*w));
        w->lane = l;
        w->fd = fd;
        if (uv_poll_init_socket(loop_uv(l->loop), &w->poll, fd) < 0) {
            free(w);
            return -1;
        }
        w->poll.data = w;
        curl_multi_assign(l->multi, fd, w);
    }
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return uv_poll_start(&w->poll, events, on_poll) < 0 ? -1 : 0;
}

static void on_timer(void *user)
{
    struct http_lane *l = user;
    l->drive(l, CURL_SOCKET_TIMEOUT, 0);
}

static int on_timeout_change(CURLM *multi, long ms, void *user)
{
    struct http_lane *l = user;
    (void)multi;
    if (ms < 0)
        timer_stop(loop_world(l->loop), l->timer);
    else
        timer_start(loop_world(l->loop), l->timer, ms, 0);
    return 0;
}

void http_lane_init(struct http_lane *l, struct loop *loop, http_lane_drive_f *drive)
{
    *l = (struct http_lane){.loop = loop, .multi = curl_multi_init(), .drive = drive};
    INVARIANT(l->multi != NULL);
    l->timer = timer_new(loop_world(loop), on_timer, l);
    curl_multi_setopt(l->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(l->multi, CURLMOPT_SOCKETDATA, l);
    curl_multi_setopt(l->multi, CURLMOPT_TIMERFUNCTION, on_timeout_change);
    curl_multi_setopt(l->multi, CURLMOPT_TIMERDATA, l);
    curl_multi_setopt(l->multi, CURLMOPT_MAXCONNECTS, CONNECTIONS_KEPT);
}

void http_lane_fini(struct http_lane *l)
{
    curl_multi_cleanup(l->multi);
    timer_free(loop_world(l->loop), &l->timer);
}
