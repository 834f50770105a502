#include "clusters/embedded/log_streams.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "clusters/embedded/object_store.h"
#include "http/http_reply.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#define LOOK_MS     100
#define CHUNK_BYTES 16384

struct log_stream {
    struct log_streams *owner;
    struct log_stream *prev, *next;
    struct http_exchange *exchange;
    char *namespace_name, *pod, *uid, *container;
    int fd;
    off_t at;
    int64_t left; /* -1: no limit */
    bool full;
    struct timer *look;
};

struct log_streams {
    struct loop *loop;
    const struct object_store *store;
    struct log_stream *streams;
    unsigned count;
};

struct log_streams *log_streams_new(struct loop *l, const struct object_store *store)
{
    struct log_streams *s = mem_alloc(sizeof *s);

    s->loop = l;
    s->store = store;
    return s;
}

static void finish(struct log_stream *s)
{
    struct http_exchange *x = s->exchange;

    DL_DELETE(s->owner->streams, s);
    s->owner->count--;
    timer_free(loop_world(s->owner->loop), &s->look);
    if (s->fd >= 0)
        close(s->fd);
    free(s->namespace_name);
    free(s->pod);
    free(s->uid);
    free(s->container);
    free(s);
    http_reply_end(x);
}

void log_streams_free(struct log_streams **streams)
{
    struct log_stream *s, *next;

    if (!*streams)
        return;
    DL_FOREACH_SAFE((*streams)->streams, s, next)
    {
        finish(s);
    }
    free(*streams);
    *streams = NULL;
}

/* As the API tells it; a pod that is gone, or another of its name, counts as ended. */
static bool has_ended(const struct log_stream *s)
{
    static const char *const lists[] = {"containerStatuses", "initContainerStatuses"};
    const struct json_t *pod =
        object_store_get(s->owner->store, OBJECT_POD, s->namespace_name, s->pod);

    if (strcmp(json_get_text(json_get(pod, "metadata"), "uid", ""), s->uid) != 0)
        return true;
    for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
        const struct json_t *list = json_at(pod, "status", lists[l], NULL);

        for (size_t i = 0; i < json_count(list); i++)
            if (strcmp(json_get_text(json_item(list, i), "name", ""), s->container) == 0)
                return json_at(json_item(list, i), "state", "terminated", NULL) != NULL;
    }
    return false;
}

/* Sends what is there and has room. True: the limit is reached. */
static bool send_news(struct log_stream *s)
{
    char chunk[CHUNK_BYTES];

    while (!s->full && s->left != 0 && s->fd >= 0) {
        ssize_t n = pread(s->fd, chunk, sizeof chunk, s->at);

        if (n <= 0)
            return false;
        if (s->left > 0 && n > s->left)
            n = (ssize_t)s->left;
        s->at += n;
        s->left -= s->left > 0 ? n : 0;
        s->full =
            http_reply_write(s->exchange, (struct slice){chunk, (size_t)n}) > HTTP_REPLY_HIGH_WATER;
    }
    return s->left == 0;
}

/* The stream may be gone afterwards. */
static void look(void *user)
{
    struct log_stream *s = user;
    bool ended = has_ended(s); /* asked first: what was written before is then read */

    if (send_news(s) || (ended && !s->full))
        finish(s);
}

static void on_drain(struct http_exchange *x, void *user)
{
    struct log_stream *s = user;

    (void)x;
    s->full = false;
    look(s);
}

static void on_gone(struct http_exchange *x, void *user)
{
    (void)x;
    finish(user);
}

void log_streams_open(struct log_streams *streams, struct http_exchange *x,
                      const struct log_streams_request *req)
{
    struct world *world = loop_world(streams->loop);
    struct log_stream *s = mem_alloc(sizeof *s);

    *s = (struct log_stream){.owner = streams,
                             .exchange = x,
                             .namespace_name = mem_text(req->namespace_name),
                             .pod = mem_text(req->pod),
                             .uid = mem_text(req->uid),
                             .container = mem_text(req->container),
                             .fd = req->fd,
                             .at = req->start,
                             .left = req->bytes};
    DL_APPEND(streams->streams, s);
    streams->count++;
    http_reply_header(x, "Content-Type", "text/plain");
    http_reply_begin(x, 200, -1);
    http_exchange_on_gone(x, on_gone, s);
    http_reply_on_drain(x, on_drain, s);
    s->look = timer_new(world, look, s);
    timer_start(world, s->look, LOOK_MS, LOOK_MS);
    if (streams->count > LOG_STREAMS_MAX)
        finish(s);
    else
        look(s);
}
