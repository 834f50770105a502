/* A pod's log: read, or followed. */
#include "base/json.h"
#include "clusters/embedded/api_request.h"
#include "clusters/embedded/api_status.h"
#include "clusters/embedded/log_streams.h"
#include "clusters/embedded/node.h"
#include "http/http_reply.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOG_READ_MAX ((size_t)64 * 1024 * 1024)

struct log_query {
    char container[100];
    int64_t lines, bytes; /* -1: all */
    bool follow;
};

static size_t tail_start(struct slice text, int64_t lines)
{
    size_t at = text.len;

    if (lines == 0)
        return at;
    if (at > 0 && text.at[at - 1] == '\n')
        at--;
    while (at > 0 && (text.at[at - 1] != '\n' || --lines > 0))
        at--;
    return at;
}

static void read_all(int fd, struct buf *text)
{
    char chunk[16384];
    off_t at = 0;

    for (ssize_t n = 0; fd >= 0 && (n = pread(fd, chunk, sizeof chunk, at)) > 0; at += n)
        if (!buf_add(text, chunk, (size_t)n))
            break;
}

static void follow(struct api_request *r, const struct json_t *pod, int fd, off_t start,
                   const struct log_query *q)
{
    log_streams_open(
        r->logs, r->exchange,
        &(struct log_streams_request){.namespace_name = r->namespace_name,
                                      .pod = r->name,
                                      .uid = json_get_text(json_get(pod, "metadata"), "uid", ""),
                                      .container = q->container,
                                      .fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0),
                                      .start = start,
                                      .bytes = q->bytes});
}

static void reply_log(struct api_request *r, const struct json_t *pod, int fd,
                      const struct log_query *q)
{
    struct buf text;
    struct slice out;
    size_t start = 0;

    buf_init(&text, LOG_READ_MAX);
    if (!q->follow || q->lines >= 0)
        read_all(fd, &text);
    out = buf_slice(&text);
    if (q->lines >= 0)
        start = tail_start(out, q->lines);
    if (q->follow) {
        follow(r, pod, fd, (off_t)start, q);
    } else {
        out = (struct slice){out.at + start, out.len - start};
        if (q->bytes >= 0 && out.len > (size_t)q->bytes)
            out.len = (size_t)q->bytes;
        http_reply(r->exchange, 200, "text/plain", out);
    }
    buf_fini(&text);
}

static bool refuse(struct api_request *r, const char *what)
{
    api_status_reply(r->exchange, API_BAD_REQUEST, NULL, "this node does not have %s", what);
    return false;
}

/* Lines are kept as they were written: nobody noted when. */
static bool check_times(struct api_request *r)
{
    static const char *const names[] = {"sinceSeconds", "sinceTime"};
    struct err err = {.code = ERR_NONE};
    bool timestamps = false;
    char text[64];

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (!api_request_query(r, names[i], text, sizeof text))
            return false;
        if (*text)
            return refuse(r, "the times of a log's lines: no sinceSeconds, no sinceTime");
    }
    if (http_query_bool(http_exchange_head(r->exchange)->query, "timestamps", &timestamps, &err) <
        0) {
        api_status_reply(r->exchange, API_BAD_REQUEST, NULL, "%s", err.msg);
        return false;
    }
    return !timestamps || refuse(r, "the times of a log's lines: no timestamps");
}

static bool parse_query(struct api_request *r, struct log_query *q)
{
    struct slice query = http_exchange_head(r->exchange)->query;
    struct err err = {.code = ERR_NONE};
    bool previous = false;
    char stream[32];

    if (http_query_bool(query, "follow", &q->follow, &err) < 0 ||
        http_query_bool(query, "previous", &previous, &err) < 0 ||
        http_query_int(query, "tailLines", 0, INT32_MAX, &q->lines, &err) < 0 ||
        http_query_int(query, "limitBytes", 1, INT32_MAX, &q->bytes, &err) < 0) {
        api_status_reply(r->exchange, API_BAD_REQUEST, NULL, "%s", err.msg);
        return false;
    }
    if (previous)
        return refuse(r, "previous logs: nothing starts twice");
    if (!api_request_query(r, "stream", stream, sizeof stream))
        return false;
    if (*stream && strcmp(stream, "All") != 0)
        return refuse(r, "standard output and error apart");
    return check_times(r) && api_request_query(r, "container", q->container, sizeof q->container);
}

void api_logs_read(struct api_request *r)
{
    const struct json_t *pod =
        object_store_get(node_store(r->node), OBJECT_POD, r->namespace_name, r->name);
    struct log_query q = {.lines = -1, .bytes = -1};
    int fd = -1;
    bool started = false;

    if (!pod) {
        api_status_reply_not_found(r->exchange, "pods", r->name);
        return;
    }
    if (!parse_query(r, &q))
        return;
    if (!*q.container)
        snprintf(q.container, sizeof q.container, "%.63s",
                 json_get_text(json_item(json_at(pod, "spec", "containers", NULL), 0), "name", ""));
    if (!node_pod_log(r->node, pod, q.container, &fd, &started))
        api_status_reply(r->exchange, API_BAD_REQUEST, NULL,
                         "container %.63s is not valid for pod %s", q.container, r->name);
    else if (!*json_get_text(json_get(pod, "spec"), "nodeName", ""))
        http_reply(r->exchange, 204, NULL, (struct slice){0});
    else if (!started)
        api_status_reply(r->exchange, API_BAD_REQUEST, NULL,
                         "container \"%s\" in pod \"%s\" is waiting to start", q.container,
                         r->name);
    else
        reply_log(r, pod, fd, &q);
}
