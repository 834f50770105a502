#include "http/http_call.h"

#include "base/buf.h"
#include "base/mem.h"
#include "http/http_deadline.h"
#include "http/http_lane.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <utlist.h>

#define CONNECT_MS_DEFAULT ((int64_t)2000)
#define REPLY_MAX_DEFAULT  ((size_t)1024 * 1024)
#define UNACKED_MAX_MS     5000
#define SPARE_MAX          8u /* easy handles kept for the next calls */
#define UPLOAD_MAX         ((size_t)4 * 1024 * 1024)
#define UPLOAD_LOW_WATER   ((size_t)64 * 1024)

struct http_call {
    struct http_caller *caller;
    struct http_lane *lane;
    struct http_call *prev, *next;
    CURL *easy;
    struct curl_slist *fields;
    http_call_done_f *done;
    void (*on_data)(struct http_call *c, struct slice piece, void *user);
    void (*on_head)(struct http_call *c, const struct http_call_head *head, void *user);
    void (*on_writable)(struct http_call *c, void *user);
    void *user;
    struct http_call_head head;
    struct buf upload; /* of a streamed body: what libcurl has not taken yet */
    bool upload_ended, upload_high;
    bool paused; /* no on_data now */
    bool nudge;  /* libcurl waits for us, and need not any more */
    struct buf reply;
    size_t reply_max;
    int64_t idle_ms;
    int64_t last_byte_ms;
    struct http_deadline idle;
    bool idle_armed;
    bool added;     /* to the multi handle */
    bool cancelled; /* waits for the reaper: libcurl was busy */
    char why[CURL_ERROR_SIZE];
};

struct http_caller {
    struct loop *loop;
    struct world *world;
    struct http_lane alone;  /* HTTP/1.1: a connection a call */
    struct http_lane shared; /* HTTP/2 where the server has it */
    struct http_call *calls;
    struct http_call *graveyard;
    CURL *spare[SPARE_MAX];
    unsigned spare_count;
    bool in_curl; /* libcurl is on the stack: it takes no other call now */
    bool tend_due;
    bool freed;
};

static void add_waiting(struct http_caller *h);

/* ---- life of a call ---- */

static CURL *easy_take(struct http_caller *h)
{
    return h->spare_count > 0 ? h->spare[--h->spare_count] : curl_easy_init();
}

static void easy_give(struct http_caller *h, CURL *easy)
{
    if (h->spare_count == SPARE_MAX) {
        curl_easy_cleanup(easy);
        return;
    }
    curl_easy_reset(easy);
    h->spare[h->spare_count++] = easy;
}

static void call_free(struct http_call *c)
{
    struct http_caller *h = c->caller;
    if (c->added)
        curl_multi_remove_handle(c->lane->multi, c->easy);
    if (c->easy != NULL)
        easy_give(h, c->easy);
    if (c->idle_armed)
        http_deadline_fini(&c->idle);
    curl_slist_free_all(c->fields);
    http_call_head_fini(&c->head);
    buf_fini(&c->upload);
    buf_fini(&c->reply);
    free(c);
}

static void caller_destroy(struct http_caller *h)
{
    while (h->spare_count > 0)
        curl_easy_cleanup(h->spare[--h->spare_count]);
    http_lane_fini(&h->alone);
    http_lane_fini(&h->shared);
    free(h);
}

static void reap(struct http_caller *h)
{
    struct http_call *c, *next;
    DL_FOREACH_SAFE(h->graveyard, c, next)
    {
        DL_DELETE(h->graveyard, c);
        call_free(c);
    }
}

static struct http_call *next_to_nudge(struct http_caller *h)
{
    struct http_call *c;
    DL_FOREACH(h->calls, c)
    {
        if (c->nudge && c->added)
            return c;
    }
    return NULL;
}

/* libcurl asks again what it was told to wait for. */
static void nudge(struct http_caller *h)
{
    struct http_call *c;
    while ((c = next_to_nudge(h)) != NULL) {
        c->nudge = false;
        h->in_curl = true;
        curl_easy_pause(c->easy, CURLPAUSE_CONT);
        h->in_curl = false;
    }
}

/* At the end of the turn, when libcurl is not on the stack. */
static void tend(void *user)
{
    struct http_caller *h = user;
    h->tend_due = false;
    nudge(h);
    reap(h);
    if (h->freed)
        caller_destroy(h);
    else
        add_waiting(h);
}

static void tend_later(struct http_caller *h)
{
    if (h->tend_due)
        return;
    h->tend_due = true;
    loop_defer(h->loop, tend, h);
}

static void nudge_later(struct http_call *c)
{
    c->nudge = true;
    tend_later(c->caller);
}

/* Nothing is called back from here on; libcurl lets go of it when it is not on the stack. */
static void bury(struct http_call *c)
{
    struct http_caller *h = c->caller;
    c->cancelled = true;
    DL_DELETE(h->calls, c);
    DL_APPEND(h->graveyard, c);
    tend_later(h);
}

/* ---- the end of a call ---- */

static void finish(struct http_call *c, const struct http_call_result *result)
{
    struct http_caller *h = c->caller;
    DL_DELETE(h->calls, c);
    c->cancelled = true; /* its own callback may not end it again */
    c->done(c, result, c->user);
    DL_APPEND(h->graveyard, c);
    tend_later(h);
}

static enum err_code code_of(struct http_call *c, CURLcode rc)
{
    curl_off_t began_us = 0;
    curl_easy_getinfo(c->easy, CURLINFO_PRETRANSFER_TIME_T, &began_us);
    switch (rc) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return ERR_UNAVAILABLE;
    case CURLE_OPERATION_TIMEDOUT:
        return began_us == 0 ? ERR_UNAVAILABLE : ERR_DEADLINE;
    default: /* a TLS handshake that fails: nothing was sent */
        return began_us == 0 ? ERR_UNAVAILABLE : ERR_UPSTREAM;
    }
}

/* Clients read it: curl's own words for a connection that did not come name the address. */
static const char *reason_of(const struct http_call *c, CURLcode rc)
{
    bool says_where = rc == CURLE_COULDNT_CONNECT || rc == CURLE_COULDNT_RESOLVE_HOST ||
                      rc == CURLE_COULDNT_RESOLVE_PROXY || rc == CURLE_OPERATION_TIMEDOUT;
    return says_where || c->why[0] == '\0' ? curl_easy_strerror(rc) : c->why;
}

static void complete(struct http_call *c, CURLcode rc)
{
    struct http_call_result result = {.retry_after_s = -1};
    struct err err;
    long status = 0;
    curl_off_t retry_after_s = 0;
    curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(c->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
    if (retry_after_s > 0)
        result.retry_after_s = (int64_t)retry_after_s;
    if (rc == CURLE_OK) {
        result.status = (int)status;
        result.date_ms = http_call_head_date_ms(&c->head);
        result.body = buf_slice(&c->reply);
    } else if (c->reply.overflowed) {
        err_set(&err, ERR_UPSTREAM, "the answer is longer than %zu bytes", c->reply_max);
        result.err = &err;
    } else {
        err_set(&err, code_of(c, rc), "%s", reason_of(c, rc));
        result.err = &err;
    }
    finish(c, &result);
}

static void take_results(struct http_caller *h, CURLM *multi)
{
    CURLMsg *msg;
    int left;
    while (!h->freed && (msg = curl_multi_info_read(multi, &left)) != NULL) {
        struct http_call *c = NULL;
        CURLcode rc = msg->data.result;
        if (msg->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&c);
        if (!c->cancelled)
            complete(c, rc);
    }
}

static void drive(struct http_lane *l, curl_socket_t fd, int events)
{
    struct http_caller *h = l->user;
    int running;
    h->in_curl = true;
    curl_multi_socket_action(l->multi, fd, events, &running);
    h->in_curl = false;
    take_results(h, l->multi);
    if (!h->freed)
        add_waiting(h);
}

/* ---- bytes ---- */

static bool streams_now(struct http_call *c)
{
    if (c->on_data == NULL)
        return false;
    return c->on_head != NULL || (c->head.status >= 200 && c->head.status < 300);
}

static size_t on_line(char *at, size_t size, size_t count, void *user)
{
    struct http_call *c = user;
    size_t len = size * count;
    if (c->cancelled)
        return 0;
    c->last_byte_ms = world_now_ms(c->caller->world);
    bool complete = http_call_head_line(&c->head, (struct slice){at, len});
    if (c->head.bad)
        return 0;
    if (complete && c->on_head != NULL)
        c->on_head(c, &c->head, c->user);
    return c->cancelled ? 0 : len;
}

static size_t on_bytes(char *at, size_t size, size_t count, void *user)
{
    struct http_call *c = user;
    size_t len = size * count;
    if (c->cancelled)
        return 0;
    c->last_byte_ms = world_now_ms(c->caller->world);
    if (!streams_now(c))
        return buf_add(&c->reply, at, len) ? len : 0;
    if (c->paused)
        return CURL_WRITEFUNC_PAUSE;
    c->on_data(c, (struct slice){at, len}, c->user);
    return c->cancelled ? 0 : len;
}

/* libcurl wants more of the request's body. */
static size_t on_wanted(char *out, size_t size, size_t count, void *user)
{
    struct http_call *c = user;
    size_t len = size * count < c->upload.len ? size * count : c->upload.len;
    if (c->cancelled)
        return CURL_READFUNC_ABORT;
    if (len == 0)
        return c->upload_ended ? 0 : CURL_READFUNC_PAUSE;
    c->last_byte_ms = world_now_ms(c->caller->world);
    memcpy(out, c->upload.data, len);
    buf_consume(&c->upload, len);
    if (c->upload_high && c->upload.len <= UPLOAD_LOW_WATER) {
        c->upload_high = false;
        if (c->on_writable != NULL)
            c->on_writable(c, c->user);
    }
    return len;
}

size_t http_call_write(struct http_call *c, struct slice piece)
{
    INVARIANT(buf_add(&c->upload, piece.at, piece.len));
    if (c->upload.len > HTTP_CALL_HIGH_WATER)
        c->upload_high = true;
    nudge_later(c);
    return c->upload.len;
}

void http_call_body_end(struct http_call *c)
{
    c->upload_ended = true;
    nudge_later(c);
}

void http_call_pause(struct http_call *c)
{
    c->paused = true;
}

void http_call_resume(struct http_call *c)
{
    c->last_byte_ms = world_now_ms(c->caller->world); /* silence that we asked for does not count */
    c->paused = false;
    nudge_later(c);
}

static void on_idle(void *user)
{
    struct http_call *c = user;
    int64_t at = c->last_byte_ms + c->idle_ms;
    http_deadline_fired(&c->idle);
    if (c->cancelled)
        return;
    if (c->paused)
        at = world_now_ms(c->caller->world) + c->idle_ms;
    if (world_now_ms(c->caller->world) < at) {
        http_deadline_set(&c->idle, at);
        return;
    }
    struct err err;
    err_set(&err, ERR_DEADLINE, "no byte came for %lld ms", (long long)c->idle_ms);
    struct http_call_result result = {.retry_after_s = -1, .err = &err};
    finish(c, &result);
}

struct http_caller *http_caller_new(struct loop *l)
{
    static bool global;
    struct http_caller *h = mem_alloc(sizeof(*h));
    if (!global)
        INVARIANT(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    global = true;
    h->loop = l;
    h->world = loop_world(l);
    http_lane_init(&h->alone, l, drive);
    http_lane_init(&h->shared, l, drive);
    h->alone.user = h->shared.user = h;
    return h;
}

void http_caller_free(struct http_caller **hp)
{
    struct http_caller *h = *hp;
    struct http_call *c, *next;
    if (h == NULL)
        return;
    *hp = NULL;
    h->freed = true;
    DL_FOREACH_SAFE(h->calls, c, next)
    bury(c);
    tend_later(h); /* not here: libcurl may be on the stack */
}

static bool add_field(struct http_call *c, const char *line)
{
    struct curl_slist *longer = curl_slist_append(c->fields, line);
    INVARIANT(longer != NULL);
    c->fields = longer;
    return strpbrk(line, "\r\n") == NULL;
}

static bool set_fields(struct http_call *c, const struct http_call_request *req)
{
    bool clean = add_field(c, "Expect:"); /* no 100-continue: our peers answer at once */
    bool typed = false;
    for (unsigned i = 0; i < req->header_count; i++) {
        clean &= add_field(c, req->headers[i]);
        typed |= strncasecmp(req->headers[i], "Content-Type:", 13) == 0;
    }
    if (req->body_streamed && req->content_length < 0)
        clean &= add_field(c, "Transfer-Encoding: chunked");
    if (!typed)
        clean &= add_field(c, "Content-Type:"); /* libcurl would invent a form's */
    curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, c->fields);
    return clean;
}

static void set_method(CURL *easy, const struct http_call_request *req)
{
    bool takes_body = strcmp(req->method, "POST") == 0 || strcmp(req->method, "PUT") == 0 ||
                      strcmp(req->method, "PATCH") == 0;
    if (strcmp(req->method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
        return;
    }
    if (req->body_streamed) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->content_length);
    } else if (takes_body || req->body.len > 0) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->body.len);
        curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, req->body.len > 0 ? req->body.at : "");
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, req->method);
}

static void set_tls(CURL *easy, const struct http_call_tls *tls)
{
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    if (tls->ca_file != NULL)
        curl_easy_setopt(easy, CURLOPT_CAINFO, tls->ca_file);
    if (tls->cert_file != NULL)
        curl_easy_setopt(easy, CURLOPT_SSLCERT, tls->cert_file);
    if (tls->key_file != NULL)
        curl_easy_setopt(easy, CURLOPT_SSLKEY, tls->key_file);
}

/* One connection carries many calls. When the other end acknowledges nothing, those that come must
 * not be put on it too, nor wait until the kernel sends again after the way is healed. */
static int on_shared_socket(void *user, curl_socket_t fd, curlsocktype purpose)
{
    const unsigned ms = UNACKED_MAX_MS;
    (void)user;
    (void)purpose;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
    return CURL_SOCKOPT_OK;
}

static void set_rest(struct http_call *c, const struct http_call_request *req)
{
    CURL *easy = c->easy;
    int64_t connect_ms = req->connect_ms > 0 ? req->connect_ms : CONNECT_MS_DEFAULT;
    /* A stream that is slow must not hold a window that other calls share. */
    bool alone = (req->on_data != NULL && !req->shares) || req->body_streamed;
    long version = alone ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_2TLS;
    c->lane = alone ? &c->caller->alone : &c->caller->shared;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, c);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L); /* names of files are passed on as sent */
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, version);
    if (!alone)
        curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_shared_socket);
    if (!alone && strncmp(req->url, "https:", 6) == 0)
        curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L); /* share a connection rather than open one */
    curl_easy_setopt(easy, CURLOPT_PROXY, req->proxy_url != NULL ? req->proxy_url : "");
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "spillway/" SPILLWAY_VERSION);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)req->total_ms);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_line);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, c);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_wanted);
    curl_easy_setopt(easy, CURLOPT_READDATA, c);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, c->why);
}

/* Calls that were started while libcurl was on the stack. */
static void add_waiting(struct http_caller *h)
{
    struct http_call *c;
    DL_FOREACH(h->calls, c)
    {
        if (!c->added) {
            c->added = true;
            INVARIANT(curl_multi_add_handle(c->lane->multi, c->easy) == CURLM_OK);
        }
    }
}

static void set_idle(struct http_call *c, int64_t idle_ms)
{
    c->idle_ms = idle_ms;
    c->last_byte_ms = world_now_ms(c->caller->world);
    if (idle_ms <= 0)
        return;
    http_deadline_init(&c->idle, c->caller->world, on_idle, c);
    c->idle_armed = true;
    http_deadline_set(&c->idle, c->last_byte_ms + idle_ms);
}

int http_call_start(struct http_caller *h, const struct http_call_request *req,
                    http_call_done_f *done, void *user, struct http_call **out, struct err *err)
{
    struct http_call *c = mem_alloc(sizeof(*c));
    c->caller = h;
    c->done = done;
    c->on_data = req->on_data;
    c->on_head = req->on_head;
    c->on_writable = req->on_writable;
    http_call_head_init(&c->head);
    buf_init(&c->upload, UPLOAD_MAX);
    c->user = user;
    c->reply_max = req->reply_max > 0 ? req->reply_max : REPLY_MAX_DEFAULT;
    buf_init(&c->reply, c->reply_max);
    c->easy = easy_take(h);
    INVARIANT(c->easy != NULL);
    if (curl_easy_setopt(c->easy, CURLOPT_URL, req->url) != CURLE_OK || !set_fields(c, req)) {
        call_free(c);
        return err_set(err, ERR_INVALID_ARGUMENT, "the URL or a header field is not acceptable");
    }
    set_method(c->easy, req);
    set_tls(c->easy, &req->tls);
    set_rest(c, req);
    set_idle(c, req->idle_ms);
    DL_APPEND(h->calls, c);
    if (!h->in_curl)
        add_waiting(h);
    *out = c;
    return 0;
}

void http_call_cancel(struct http_call **cp)
{
    struct http_call *c = *cp;
    if (c == NULL)
        return;
    *cp = NULL;
    if (!c->cancelled)
        bury(c);
}
