#include "sandbox/file_calls.h"
#include "base/json.h"
#include "base/mem.h"
#include "http/http_reply.h"
#include "http/problem.h"
#include "sandbox/agent.h"
#include "sandbox/file_fields.h"
#include "sandbox/file_list.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CACHE_CONTROL "private, no-cache"
#define CHUNK_BYTES   ((size_t)64 * 1024)
#define CHUNKS_A_TURN 4
#define LIST_LIMIT    100

/* The name in the path; "" : the exchange has ended. */
static bool open_name(struct http_exchange *x, const struct http_route_match *m, struct agent *a,
                      char name[WORKSPACE_NAME_SIZE])
{
    struct err err;
    if (workspace_name_decode(m->params[0], name, &err) < 0) {
        problem_reply(x, &err);
        return false;
    }
    return files_admit(x, a);
}

/* ---- download ---- */

struct download {
    struct agent *agent;
    struct http_exchange *x;
    int fd;
    int64_t at, left;
    bool deferred; /* a step is on its way */
    bool gone;
};

static void end_download(struct download *d, bool whole)
{
    if (whole)
        http_reply_end(d->x);
    else
        http_reply_abort(d->x);
    d->agent->files.transfers--;
    close(d->fd);
    free(d);
}

static void step(void *user);

static void step_later(struct download *d)
{
    d->deferred = true;
    loop_defer(d->agent->loop, step, d);
}

static void on_drained(struct http_exchange *x, void *user)
{
    (void)x;
    struct download *d = user;
    if (!d->deferred)
        step_later(d);
}

/* False when the file gave less than it promised. */
static bool send_chunk(struct download *d, size_t *waiting)
{
    static char chunk[CHUNK_BYTES];
    size_t want = d->left < (int64_t)sizeof(chunk) ? (size_t)d->left : sizeof(chunk);
    ssize_t n;
    do
        n = pread(d->fd, chunk, want, d->at);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return false;
    d->at += n;
    d->left -= n;
    *waiting = http_reply_write(d->x, (struct slice){chunk, (size_t)n});
    return true;
}

static void step(void *user)
{
    struct download *d = user;
    size_t waiting = 0;
    d->deferred = false;
    files_progress(d->agent);
    for (int i = 0; i < CHUNKS_A_TURN && d->left > 0 && !d->gone; i++) {
        if (!send_chunk(d, &waiting)) {
            end_download(d, false);
            return;
        }
        if (waiting > HTTP_REPLY_HIGH_WATER && d->left > 0) {
            http_reply_on_drain(d->x, on_drained, d);
            return;
        }
    }
    if (d->left == 0 || d->gone)
        end_download(d, d->left == 0);
    else
        step_later(d);
}

static void on_gone(struct http_exchange *x, void *user)
{
    (void)x;
    struct download *d = user;
    d->gone = true;
    if (!d->deferred)
        end_download(d, false);
}

static void add_fields(struct http_exchange *x, const char *name, const char *etag)
{
    struct buf disposition;
    buf_init(&disposition, 8 * WORKSPACE_NAME_SIZE);
    file_disposition(&disposition, workspace_name_leaf(name));
    http_reply_header(x, "Content-Type", "application/octet-stream");
    http_reply_header(x, "X-Content-Type-Options", "nosniff");
    http_reply_header(x, "Content-Disposition", buf_text(&disposition));
    http_reply_header(x, "Accept-Ranges", "bytes");
    http_reply_header(x, "Cache-Control", CACHE_CONTROL);
    http_reply_header(x, "ETag", etag);
    buf_fini(&disposition);
}

static void begin_download(struct http_exchange *x, struct agent *a, int fd,
                           const struct file_range *range, int64_t size)
{
    char text[96];
    if (range->kind == FILE_RANGE_PART) {
        snprintf(text, sizeof(text), "bytes %lld-%lld/%lld", (long long)range->first,
                 (long long)(range->first + range->length - 1), (long long)size);
        http_reply_header(x, "Content-Range", text);
    }
    struct download *d = mem_alloc(sizeof(*d));
    *d = (struct download){.agent = a, .x = x, .fd = fd, .at = range->first, .left = range->length};
    if (http_exchange_head(x)->method == HTTP_METHOD_HEAD)
        d->left = 0;
    http_reply_begin(x, range->kind == FILE_RANGE_PART ? 206 : 200, range->length);
    http_exchange_on_gone(x, on_gone, d);
    step_later(d);
}

/* Takes the place in `transfers`, and the descriptor. */
static void download(struct http_exchange *x, struct agent *a, const char *name, int fd,
                     const struct stat *st)
{
    const struct http_head *head = http_exchange_head(x);
    char etag[FILE_ETAG_SIZE], text[40];
    file_etag(st, world_wall_ms(a->world), etag);
    struct slice condition = http_head_get(head, "If-Range");
    struct file_range range = {FILE_RANGE_WHOLE, 0, st->st_size};
    /* A part is for GET alone (RFC 9110 §14.2). */
    if (head->method == HTTP_METHOD_GET && (!condition.at || file_etag_is_same(condition, etag)))
        range = file_range_parse(http_head_get(head, "Range"), st->st_size);
    struct slice known = http_head_get(head, "If-None-Match");
    bool unchanged = known.at && file_etag_matches(known, etag);
    if (!unchanged && range.kind != FILE_RANGE_BEHIND_END) {
        add_fields(x, name, etag);
        begin_download(x, a, fd, &range, st->st_size);
        return;
    }
    close(fd);
    a->files.transfers--;
    if (unchanged) { /* with what a cache would have got with the file */
        http_reply_header(x, "Cache-Control", CACHE_CONTROL);
        http_reply_header(x, "ETag", etag);
        http_reply(x, 304, NULL, (struct slice){0});
        return;
    }
    snprintf(text, sizeof(text), "bytes */%lld", (long long)st->st_size);
    http_reply_header(x, "Content-Range", text);
    problem_replyf(x, ERR_RANGE_NOT_SATISFIABLE, "the file has %lld bytes", (long long)st->st_size);
}

void file_calls_download(struct http_exchange *x, const struct http_route_match *m, void *agent)
{
    struct agent *a = agent;
    char name[WORKSPACE_NAME_SIZE];
    struct stat st;
    struct err err;
    if (!open_name(x, m, a, name) || !files_enter(x, &a->files.transfers, FILES_TRANSFERS_MAX))
        return;
    int fd = workspace_open_file(&a->files.workspace, name, &st, &err);
    if (fd < 0) {
        a->files.transfers--;
        problem_reply(x, &err);
        return;
    }
    download(x, a, name, fd, &st);
}

/* ---- delete ---- */

void file_calls_delete(struct http_exchange *x, const struct http_route_match *m, void *agent)
{
    struct agent *a = agent;
    char name[WORKSPACE_NAME_SIZE];
    struct err err;
    struct buf body;
    if (!open_name(x, m, a, name))
        return;
    if (workspace_remove(&a->files.workspace, name, &err) < 0) {
        problem_reply(x, &err);
        return;
    }
    buf_init(&body, 16 * WORKSPACE_NAME_SIZE);
    buf_add_text(&body, "{\"path\":");
    json_print_string(&body, slice_of(name));
    buf_add_text(&body, ",\"deleted\":true}");
    http_reply(x, 200, "application/json", buf_slice(&body));
    buf_fini(&body);
}

/* ---- list ---- */

struct listing {
    struct agent *agent;
    struct http_exchange *x;
    struct file_list *list;
    bool gone;
};

static void end_listing(struct listing *l)
{
    struct buf body;
    buf_init(&body, FILE_LIST_PAGE_MAX);
    if (!l->gone)
        file_list_print(l->list, &body);
    INVARIANT(!body.overflowed);
    http_exchange_on_gone(l->x, NULL, NULL);
    http_reply(l->x, 200, "application/json", buf_slice(&body));
    buf_fini(&body);
    l->agent->files.lists--;
    file_list_free(&l->list);
    free(l);
}

static void list_step(void *user)
{
    struct listing *l = user;
    if (l->gone || file_list_step(l->list))
        end_listing(l);
    else
        loop_defer(l->agent->loop, list_step, l);
}

static void on_listing_gone(struct http_exchange *x, void *user)
{
    (void)x;
    struct listing *l = user;
    l->gone = true; /* its next step ends it */
}

static int read_list_query(struct slice query, struct file_list_query *q, struct err *err)
{
    char token[2 * WORKSPACE_NAME_SIZE];
    int bad = 0;
    *q = (struct file_list_query){.limit = LIST_LIMIT};
    int rc = files_read_folder(query, q->folder, err);
    if (rc == 0)
        rc = http_query_bool(query, "recursive", &q->recursive, err);
    if (rc == 0)
        rc = http_query_int(query, "limit", 1, FILE_LIST_LIMIT_MAX, &q->limit, err);
    if (rc < 0)
        return rc;
    bool given = http_query_get(query, "continue", token, sizeof(token), &bad);
    if (bad != 0 || (given && !file_list_read_token(token, q->after)))
        return err_set(err, ERR_INVALID_ARGUMENT, "continue is no token of an earlier page");
    return 0;
}

void file_calls_list(struct http_exchange *x, const struct http_route_match *m, void *agent)
{
    (void)m;
    struct agent *a = agent;
    struct file_list_query q;
    struct err err;
    if (read_list_query(http_exchange_head(x)->query, &q, &err) < 0) {
        problem_reply(x, &err);
        return;
    }
    if (!files_admit(x, a) || !files_enter(x, &a->files.lists, FILES_LISTS_MAX))
        return;
    struct file_list *list = file_list_new(&a->files.workspace, &q, &err);
    if (!list) {
        a->files.lists--;
        problem_reply(x, &err);
        return;
    }
    struct listing *l = mem_alloc(sizeof(*l));
    *l = (struct listing){.agent = a, .x = x, .list = list};
    http_exchange_on_gone(x, on_listing_gone, l);
    loop_defer(a->loop, list_step, l);
}
