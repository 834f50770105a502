#include "http/http_message.h"

#include "base/mem.h"
#include <llhttp.h>
#include <stdlib.h>

const struct http_limits HTTP_LIMITS_DEFAULT = {
    .header_bytes = (size_t)32 * 1024, .headers = 100, .target_bytes = (size_t)8 * 1024};

#define STORE_FIRST   ((size_t)1024)
#define STORE_KEEP    ((size_t)4096)
#define HEADERS_FIRST 16u
#define HOST_MAX      ((size_t)255)

enum stage { STAGE_HEAD, STAGE_BODY, STAGE_END };

struct http_parser {
    llhttp_t ll;
    const struct http_parser_events *events;
    void *user;
    struct http_limits limits;
    enum stage stage;
    bool begun;   /* a byte of the message was seen */
    bool paused;  /* by http_parser_pause() */
    bool no_body; /* the answer to a HEAD */
    bool field_open;
    bool version_open;
    enum err_code failed;
    struct err *err; /* the caller's, while feeding */
    char *store;     /* target, names and values */
    size_t store_len;
    size_t store_cap;
    struct http_header *fields;
    unsigned fields_cap;
    size_t head_bytes; /* raw, to the limit */
    uint64_t body_bytes;
    uint64_t framing_bytes; /* chunk sizes, extensions, trailers */
    char before[5];         /* the last bytes of the piece before: "HTTP/" may stand across two */
    const char *piece;      /* being fed */
    const char *piece_end;
    struct http_head head;
};

static int fail(struct http_parser *p, enum err_code code, const char *what)
{
    p->failed = code;
    err_set(p->err, code, "%s", what);
    return -1;
}

/* ---- storage ---- */

static void rebase(struct slice *s, const char *from, const char *to)
{
    if (s->at != NULL)
        s->at = to + (s->at - from);
}

/* The raw limit was checked before the bytes came here, so growth is bounded by it. */
static void store_grow(struct http_parser *p, size_t need)
{
    size_t cap = p->store_cap > 0 ? p->store_cap : STORE_FIRST;
    while (cap < need)
        cap *= 2;
    char *to = mem_alloc(cap);
    if (p->store_len > 0)
        memcpy(to, p->store, p->store_len);
    rebase(&p->head.target, p->store, to);
    for (unsigned i = 0; i < p->head.header_count; i++) {
        rebase(&p->fields[i].name, p->store, to);
        rebase(&p->fields[i].value, p->store, to);
    }
    free(p->store);
    p->store = to;
    p->store_cap = cap;
}

/* Appends to `s`, which is the last thing in the store. */
static void store_add(struct http_parser *p, struct slice *s, const char *at, size_t len)
{
    if (p->store_len + len > p->store_cap)
        store_grow(p, p->store_len + len);
    if (s->at == NULL)
        s->at = p->store + p->store_len;
    memcpy(p->store + p->store_len, at, len);
    p->store_len += len;
    s->len += len;
}

/* ---- llhttp's events ---- */

static int on_begin(llhttp_t *ll)
{
    struct http_parser *p = ll->data;
    p->begun = true;
    return 0;
}

static int on_url(llhttp_t *ll, const char *at, size_t len)
{
    struct http_parser *p = ll->data;
    if (p->head.target.len + len > p->limits.target_bytes)
        return fail(p, ERR_TARGET_TOO_LONG, "the request target is above its limit");
    store_add(p, &p->head.target, at, len);
    /* A line that ends here is HTTP/0.9, which llhttp would wait on. */
    if (at + len < p->piece_end && (at[len] == '\r' || at[len] == '\n'))
        return fail(p, ERR_HTTP_VERSION, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    return 0;
}

/* llhttp takes "OPTIONS * RTSP/1.0" too and does not say so: look at what stands before the number.
 */
static bool version_is_http(const struct http_parser *p, const char *at)
{
    size_t have = (size_t)(at - p->piece);
    if (have >= 5)
        return memcmp(at - 5, "HTTP/", 5) == 0;
    return memcmp(p->before + have, "HTTP/", 5 - have) == 0 &&
           memcmp(p->piece, &"HTTP/"[5 - have], have) == 0;
}

static int on_version(llhttp_t *ll, const char *at, size_t len)
{
    struct http_parser *p = ll->data;
    (void)len;
    bool first = !p->version_open;
    p->version_open = true;
    if (first && ll->type == HTTP_REQUEST && !version_is_http(p, at))
        return fail(p, ERR_HTTP_VERSION, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    return 0;
}

static int on_version_complete(llhttp_t *ll)
{
    struct http_parser *p = ll->data;
    if (ll->http_major != 1 || ll->http_minor > 1)
        return fail(p, ERR_HTTP_VERSION, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    return 0;
}

/* Room for one more field, or an error. */
static int field_begin(struct http_parser *p)
{
    if (p->head.header_count == p->limits.headers)
        return fail(p, ERR_HEADERS_TOO_LARGE, "there are too many header fields");
    if (p->head.header_count == p->fields_cap) {
        p->fields_cap = p->fields_cap > 0 ? p->fields_cap * 2 : HEADERS_FIRST;
        p->fields = mem_resize(p->fields, p->fields_cap * sizeof(*p->fields));
    }
    p->fields[p->head.header_count++] = (struct http_header){{NULL, 0}, {NULL, 0}};
    p->field_open = true;
    return 0;
}

static int on_field(llhttp_t *ll, const char *at, size_t len)
{
    struct http_parser *p = ll->data;
    if (p->stage != STAGE_HEAD) /* trailers are read over */
        return 0;
    if (!p->field_open && field_begin(p) < 0)
        return -1;
    store_add(p, &p->fields[p->head.header_count - 1].name, at, len);
    return 0;
}

static int on_value(llhttp_t *ll, const char *at, size_t len)
{
    struct http_parser *p = ll->data;
    if (p->stage == STAGE_HEAD)
        store_add(p, &p->fields[p->head.header_count - 1].value, at, len);
    return 0;
}

static int on_value_complete(llhttp_t *ll)
{
    struct http_parser *p = ll->data;
    if (p->stage != STAGE_HEAD)
        return 0;
    struct slice *v = &p->fields[p->head.header_count - 1].value;
    if (v->at == NULL)
        v->at = "";
    while (v->len > 0 && (v->at[v->len - 1] == ' ' || v->at[v->len - 1] == '\t'))
        v->len--;
    p->field_open = false;
    return 0;
}

/* ---- what the head says ---- */

struct head_facts {
    struct slice host;
    struct slice encoding;
    unsigned hosts;
    unsigned encodings;
    unsigned lengths;
    bool close;
    bool keep;
    bool expect;
    bool expect_other;
};

/* Whether a comma separated list names the token. */
static bool list_has(struct slice list, const char *token)
{
    const char *at = list.at;
    const char *end = list.at + list.len;
    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *stop = comma != NULL ? comma : end;
        struct slice item = {at, (size_t)(stop - at)};
        while (item.len > 0 && (item.at[0] == ' ' || item.at[0] == '\t')) {
            item.at++;
            item.len--;
        }
        while (item.len > 0 && (item.at[item.len - 1] == ' ' || item.at[item.len - 1] == '\t'))
            item.len--;
        if (slice_eq_nocase(item, token))
            return true;
        at = stop + 1;
    }
    return false;
}

static void note_field(struct head_facts *f, const struct http_header *h)
{
    switch (h->name.len) { /* most fields are none of these: one comparison of lengths */
    case 4:
        if (slice_eq_nocase(h->name, "Host")) {
            f->hosts++;
            f->host = h->value;
        }
        break;
    case 6:
        if (slice_eq_nocase(h->name, "Expect")) {
            f->expect = slice_eq_nocase(h->value, "100-continue");
            f->expect_other |= !f->expect;
        }
        break;
    case 10:
        if (slice_eq_nocase(h->name, "Connection")) {
            f->close |= list_has(h->value, "close");
            f->keep |= list_has(h->value, "keep-alive");
        }
        break;
    case 14:
        if (slice_eq_nocase(h->name, "Content-Length"))
            f->lengths++;
        break;
    case 17:
        if (slice_eq_nocase(h->name, "Transfer-Encoding")) {
            f->encodings++;
            f->encoding = h->value;
        }
        break;
    default:
        break;
    }
}

/* Framing that two readers could read differently is refused (RFC 9112 §6.1, §6.3). */
static int check_framing(struct http_parser *p, const struct head_facts *f)
{
    if (f->encodings == 0)
        return 0;
    if (f->lengths > 0)
        return fail(p, ERR_BAD_REQUEST, "Transfer-Encoding and Content-Length exclude each other");
    if (f->encodings > 1 || !slice_eq_nocase(f->encoding, "chunked"))
        return fail(p, ERR_BAD_REQUEST, "only Transfer-Encoding: chunked is spoken here");
    if (p->head.version_minor == 0)
        return fail(p, ERR_BAD_REQUEST, "HTTP/1.0 has no Transfer-Encoding");
    return 0;
}

static bool host_is_sane(struct slice host)
{
    if (host.len > HOST_MAX) /* empty is allowed: a target without authority (RFC 9112 §3.2) */
        return false;
    for (size_t i = 0; i < host.len; i++) {
        char c = host.at[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!word && c != '.' && c != ':' && strchr("-_[]%~", c) == NULL)
            return false;
    }
    return true;
}

static int check_target(struct http_parser *p)
{
    struct http_head *h = &p->head;
    if (h->target.len == 0 || h->target.at[0] != '/')
        return fail(p, ERR_BAD_REQUEST, "the request target must be a path that begins with '/'");
    for (size_t i = 0; i < h->target.len; i++) {
        unsigned char c = (unsigned char)h->target.at[i];
        if (c <= ' ' || c >= 0x7f || c == '#')
            return fail(p, ERR_BAD_REQUEST,
                        "the request target has a character that must be encoded");
    }
    const char *mark = memchr(h->target.at, '?', h->target.len);
    size_t path_len = mark != NULL ? (size_t)(mark - h->target.at) : h->target.len;
    h->path = (struct slice){h->target.at, path_len};
    h->query = mark != NULL ? (struct slice){mark + 1, h->target.len - path_len - 1}
                            : (struct slice){h->target.at + path_len, 0};
    return 0;
}

static enum http_method method_of(uint8_t m)
{
    switch (m) {
    case HTTP_GET:
        return HTTP_METHOD_GET;
    case HTTP_HEAD:
        return HTTP_METHOD_HEAD;
    case HTTP_POST:
        return HTTP_METHOD_POST;
    case HTTP_PUT:
        return HTTP_METHOD_PUT;
    case HTTP_PATCH:
        return HTTP_METHOD_PATCH;
    case HTTP_DELETE:
        return HTTP_METHOD_DELETE;
    case HTTP_OPTIONS:
        return HTTP_METHOD_OPTIONS;
    default:
        return HTTP_METHOD_OTHER;
    }
}

static int check_request(struct http_parser *p, const struct head_facts *f)
{
    struct http_head *h = &p->head;
    if (p->ll.method == HTTP_CONNECT || p->ll.method == HTTP_SOURCE)
        return fail(p, ERR_BAD_REQUEST, "this method is not spoken here");
    if (check_target(p) < 0)
        return -1;
    if (f->hosts > 1 || (f->hosts == 0 && h->version_minor == 1))
        return fail(p, ERR_BAD_REQUEST, "exactly one Host field is needed");
    if (f->hosts == 1 && !host_is_sane(f->host))
        return fail(p, ERR_BAD_REQUEST, "the Host field is not a host");
    if (f->expect_other && h->version_minor == 1)
        return fail(p, ERR_EXPECTATION_FAILED, "only Expect: 100-continue can be met");
    h->method = method_of(p->ll.method);
    h->method_text = slice_of(llhttp_method_name((llhttp_method_t)p->ll.method));
    h->expect_continue = f->expect && h->version_minor == 1;
    return 0;
}

static bool has_no_body(const struct http_parser *p)
{
    if (p->no_body || p->ll.type == HTTP_REQUEST)
        return p->no_body || (!p->head.chunked && p->head.content_length <= 0);
    int s = p->head.status;
    return s < 200 || s == 204 || s == 304 || p->head.content_length == 0;
}

static int on_head_complete(llhttp_t *ll)
{
    struct http_parser *p = ll->data;
    struct http_head *h = &p->head;
    struct head_facts f = {{NULL, 0}, {NULL, 0}, 0, 0, 0, false, false, false, false};
    for (unsigned i = 0; i < h->header_count; i++)
        note_field(&f, &p->fields[i]);
    h->headers = p->fields;
    h->version_minor = ll->http_minor;
    if (check_framing(p, &f) < 0)
        return -1;
    if (ll->content_length > INT64_MAX)
        return fail(p, ERR_BAD_REQUEST, "Content-Length is too large");
    h->chunked = f.encodings > 0;
    h->content_length = f.lengths > 0 ? (int64_t)ll->content_length : -1;
    h->status = ll->status_code;
    ll->upgrade = 0; /* upgrades are ignored, as a server may (RFC 9110 §7.8): the body is a body */
    if (ll->type == HTTP_REQUEST && check_request(p, &f) < 0)
        return -1;
    if (p->no_body)
        ll->flags |= F_SKIPBODY;
    h->keep_alive = !f.close && (h->version_minor == 1 || f.keep) &&
                    (ll->type == HTTP_REQUEST || !llhttp_message_needs_eof(ll));
    p->stage = STAGE_BODY;
    if (p->events->on_head != NULL)
        p->events->on_head(p, h, p->user);
    /* A message without a body ends at once, so that nobody has to feed bytes that will never come.
     */
    return p->paused && !has_no_body(p) ? HPE_PAUSED : 0;
}

/* Behind its last piece a body of known length has no byte that would ever bring its end. */
static bool is_last_piece(const struct http_parser *p)
{
    return !p->head.chunked && p->head.content_length >= 0 &&
           p->body_bytes == (uint64_t)p->head.content_length;
}

static int on_body(llhttp_t *ll, const char *at, size_t len)
{
    struct http_parser *p = ll->data;
    p->body_bytes += len;
    if (p->events->on_body != NULL)
        p->events->on_body(p, (struct slice){at, len}, p->user);
    return p->paused && !is_last_piece(p) ? HPE_PAUSED : 0;
}

static int on_complete(llhttp_t *ll)
{
    struct http_parser *p = ll->data;
    p->stage = STAGE_END;
    if (p->events->on_end != NULL)
        p->events->on_end(p, p->user);
    return HPE_PAUSED; /* always: what follows belongs to another message */
}

static const llhttp_settings_t SETTINGS = {
    .on_message_begin = on_begin,
    .on_url = on_url,
    .on_version = on_version,
    .on_version_complete = on_version_complete,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_head_complete,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

/* ---- the parser ---- */

struct http_parser *http_parser_new(enum http_parser_kind kind, const struct http_limits *limits,
                                    const struct http_parser_events *events, void *user)
{
    struct http_parser *p = mem_alloc(sizeof(*p));
    p->limits = *limits;
    p->events = events;
    p->user = user;
    llhttp_init(&p->ll, kind == HTTP_PARSE_REQUESTS ? HTTP_REQUEST : HTTP_RESPONSE, &SETTINGS);
    p->ll.data = p;
    p->head.content_length = -1;
    return p;
}

void http_parser_free(struct http_parser **p)
{
    if (*p == NULL)
        return;
    free((*p)->store);
    free((*p)->fields);
    free(*p);
    *p = NULL;
}

void http_parser_serve(struct http_parser *p, void *user)
{
    INVARIANT(!p->begun);
    p->user = user;
}

static int fail_from_llhttp(struct http_parser *p, llhttp_errno_t rc, struct err *err)
{
    if (p->failed != ERR_NONE) /* err was filled where it was found */
        return -(int)p->failed;
    const char *reason = llhttp_get_error_reason(&p->ll);
    bool spoken = p->ll.http_major == 1 && p->ll.http_minor <= 1; /* then the line end was wrong */
    p->failed = rc == HPE_INVALID_VERSION && !spoken ? ERR_HTTP_VERSION : ERR_BAD_REQUEST;
    return err_set(err, p->failed, "malformed HTTP message: %s", reason != NULL ? reason : "?");
}

/* Remembers the end of this piece, for version_is_http(). */
static void remember_tail(struct http_parser *p, const char *at, size_t len)
{
    size_t keep = sizeof(p->before);
    if (len < keep) {
        memmove(p->before, p->before + len, keep - len);
        memcpy(p->before + keep - len, at, len);
    } else {
        memcpy(p->before, at + len - keep, keep);
    }
}

/* Limits on what reaches nobody: head bytes, and the framing of chunks (16 bytes a byte of body are
 * plenty). */
static int check_raw_limits(struct http_parser *p, enum stage stage, size_t used, uint64_t body)
{
    if (stage == STAGE_HEAD) {
        p->head_bytes += used;
        if (p->stage == STAGE_HEAD && p->head_bytes >= p->limits.header_bytes)
            return fail(p, ERR_HEADERS_TOO_LARGE, "the header fields are above their limit");
        return 0;
    }
    p->framing_bytes += used - (size_t)body;
    if (p->framing_bytes > p->limits.header_bytes + 16 * p->body_bytes)
        return fail(p, ERR_BAD_REQUEST, "the chunks have more framing than data");
    return 0;
}

/* One piece within the limits. 0: go on; 1: stopped (pause or end); negative: error. */
static int feed_piece(struct http_parser *p, struct slice in, size_t *used, struct err *err)
{
    enum stage stage = p->stage;
    uint64_t body = p->body_bytes;
    p->piece = in.at;
    p->piece_end = in.at + in.len;
    llhttp_errno_t rc = llhttp_execute(&p->ll, in.at, in.len);
    *used = rc == HPE_OK ? in.len : (size_t)(llhttp_get_error_pos(&p->ll) - in.at);
    if (rc != HPE_OK && rc != HPE_PAUSED)
        return fail_from_llhttp(p, rc, err);
    if (p->stage == STAGE_HEAD)
        remember_tail(p, in.at, *used);
    if (check_raw_limits(p, stage, *used, p->body_bytes - body) < 0)
        return -(int)p->failed;
    return rc == HPE_PAUSED ? 1 : 0;
}

int http_parser_feed(struct http_parser *p, struct slice in, size_t *used, struct err *err)
{
    *used = 0;
    p->err = err;
    if (p->failed != ERR_NONE)
        return err_set(err, p->failed, "the connection is broken");
    while (*used < in.len && !p->paused && p->stage != STAGE_END) {
        struct slice rest = {in.at + *used, in.len - *used};
        if (p->stage == STAGE_HEAD && rest.len > p->limits.header_bytes - p->head_bytes)
            rest.len = p->limits.header_bytes - p->head_bytes;
        if (llhttp_get_errno(&p->ll) == HPE_PAUSED)
            llhttp_resume(&p->ll);
        size_t took = 0;
        int rc = feed_piece(p, rest, &took, err);
        *used += took;
        if (rc < 0)
            return rc;
    }
    p->err = NULL;
    return 0;
}

int http_parser_finish(struct http_parser *p, struct err *err)
{
    if (p->failed != ERR_NONE)
        return err_set(err, p->failed, "the connection is broken");
    if (p->stage == STAGE_END || (p->stage == STAGE_HEAD && !p->begun))
        return 0;
    p->err = err;
    if (llhttp_get_errno(&p->ll) == HPE_PAUSED)
        llhttp_resume(&p->ll);
    llhttp_errno_t rc = llhttp_finish(&p->ll);
    p->err = NULL;
    if (rc == HPE_OK || rc == HPE_PAUSED)
        return p->stage == STAGE_END ? 0 : err_set(err, ERR_BAD_REQUEST, "the message is cut off");
    return fail_from_llhttp(p, rc, err);
}

void http_parser_pause(struct http_parser *p)
{
    p->paused = true;
}

void http_parser_resume(struct http_parser *p)
{
    p->paused = false;
}

void http_parser_expect_no_body(struct http_parser *p)
{
    p->no_body = true;
}

void http_parser_reset(struct http_parser *p)
{
    INVARIANT(p->failed == ERR_NONE);
    llhttp_reset(&p->ll);
    p->stage = STAGE_HEAD;
    p->begun = p->paused = p->no_body = p->field_open = p->version_open = false;
    p->head_bytes = 0;
    p->body_bytes = p->framing_bytes = 0;
    p->head = (struct http_head){.content_length = -1};
    p->store_len = 0;
    if (p->store_cap > STORE_KEEP) { /* an idle connection stays small */
        free(p->store);
        p->store = NULL;
        p->store_cap = 0;
    }
}

bool http_parser_idle(const struct http_parser *p)
{
    return !p->begun;
}
