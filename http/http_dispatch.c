#include "http/http_dispatch.h"

#include "http/http_reply.h"
#include "http/problem.h"

#define ALLOW_MAX ((size_t)256)

static const char *method_name(enum http_method m)
{
    switch (m) {
    case HTTP_METHOD_GET:
        return "GET";
    case HTTP_METHOD_HEAD:
        return "HEAD";
    case HTTP_METHOD_POST:
        return "POST";
    case HTTP_METHOD_PUT:
        return "PUT";
    case HTTP_METHOD_PATCH:
        return "PATCH";
    case HTTP_METHOD_DELETE:
        return "DELETE";
    case HTTP_METHOD_OPTIONS:
        return "OPTIONS";
    case HTTP_METHOD_OTHER:
        break;
    }
    return "OTHER";
}

/* Takes the next segment off `rest`, which begins with '/'. */
static struct slice next_segment(struct slice *rest)
{
    const char *at = rest->at + 1;
    const char *end = rest->at + rest->len;
    const char *slash = memchr(at, '/', (size_t)(end - at));
    const char *stop = slash != NULL ? slash : end;
    *rest = (struct slice){stop, (size_t)(end - stop)};
    return (struct slice){at, (size_t)(stop - at)};
}

/* Two readers must not see two paths in one: what an escape or a dot could turn into another path
 * does not route. */
static bool routes(struct slice segment)
{
    return segment.len > 0 && !slice_eq(segment, ".") && !slice_eq(segment, "..") &&
           memchr(segment.at, '%', segment.len) == NULL &&
           memchr(segment.at, ';', segment.len) == NULL &&
           memchr(segment.at, '\\', segment.len) == NULL;
}

static bool is_param(struct slice pattern_segment)
{
    return pattern_segment.len > 0 && pattern_segment.at[0] == '{';
}

static bool is_rest(struct slice pattern_segment)
{
    return is_param(pattern_segment) && pattern_segment.len > 5 &&
           memcmp(pattern_segment.at + pattern_segment.len - 4, "...}", 4) == 0;
}

struct match {
    struct slice params[HTTP_ROUTE_PARAMS_MAX];
    unsigned count;
    unsigned score; /* one bit a segment, set where it was literal: the first segments weigh most */
    bool bad_segment; /* fits but for a segment that may not route */
};

static bool add_param(struct match *m, struct slice value)
{
    INVARIANT(m->count < HTTP_ROUTE_PARAMS_MAX);
    m->params[m->count++] = value;
    return true;
}

/* Whether the path fits the pattern. */
static bool fits(const char *pattern, struct slice path, struct match *m)
{
    struct slice pat = slice_of(pattern);
    unsigned bit = 1u << 31;
    *m = (struct match){0};
    while (pat.len > 0 && path.len > 0) {
        struct slice want = next_segment(&pat);
        if (is_rest(want))
            return path.len > 1 && add_param(m, (struct slice){path.at + 1, path.len - 1});
        struct slice have = next_segment(&path);
        if (!is_param(want)) {
            if (want.len != have.len || memcmp(want.at, have.at, have.len) != 0)
                return false;
            m->score |= bit;
        } else {
            m->bad_segment |= !routes(have);
            add_param(m, have);
        }
        bit >>= 1;
    }
    return pat.len == 0 && path.len == 0;
}

static bool method_fits(enum http_method have, enum http_method asked)
{
    return have == asked || (have == HTTP_METHOD_GET && asked == HTTP_METHOD_HEAD);
}

static void add_allow(struct buf *allow, enum http_method m)
{
    const char *name = method_name(m);
    if (allow->len > 0 && strstr(buf_text(allow), name) != NULL)
        return;
    buf_addf(allow, "%s%s", allow->len > 0 ? ", " : "", name);
    if (m == HTTP_METHOD_GET)
        buf_add_text(allow, ", HEAD");
}

/* The best pattern wins whatever its methods are, so that a parameter never hides behind a
 * literal's 405. */
static unsigned best_score(const struct http_route *table, size_t count, struct slice path,
                           bool *known, bool *bad)
{
    unsigned best = 0;
    *known = *bad = false;
    for (size_t i = 0; i < count; i++) {
        struct match m;
        if (!fits(table[i].pattern, path, &m) || (*known && m.score <= best))
            continue;
        *known = true;
        *bad = m.bad_segment;
        best = m.score;
    }
    return best;
}

static int find_method(const struct http_route *table, size_t count, enum http_method method,
                       struct slice path, unsigned score, struct http_route_match *out,
                       struct buf *allow)
{
    for (size_t i = 0; i < count; i++) {
        struct match m;
        if (!fits(table[i].pattern, path, &m) || m.score != score)
            continue;
        if (!method_fits(table[i].method, method)) {
            add_allow(allow, table[i].method);
            continue;
        }
        out->route = &table[i];
        memcpy(out->params, m.params, sizeof(out->params));
        return 0;
    }
    return -(int)ERR_METHOD_NOT_ALLOWED;
}

int http_dispatch_find(const struct http_route *table, size_t count, enum http_method method,
                       struct slice path, struct http_route_match *m, struct buf *allow,
                       struct err *err)
{
    bool known;
    bool bad;
    if (path.len == 0 || path.at[0] != '/')
        return err_set(err, ERR_BAD_REQUEST, "the path must begin with '/'");
    unsigned score = best_score(table, count, path, &known, &bad);
    if (bad)
        return err_set(
            err, ERR_BAD_REQUEST,
            "an empty segment, '.', '..', ';', '\\' or '%%' cannot stand here in the path");
    if (!known)
        return err_set(err, ERR_NOT_FOUND, "there is nothing at %.*s",
                       path.len > 200 ? 200 : (int)path.len, path.at);
    if (find_method(table, count, method, path, score, m, allow) == 0)
        return 0;
    return err_set(err, ERR_METHOD_NOT_ALLOWED, "here are only: %s", buf_text(allow));
}

const struct http_route *http_dispatch(const struct http_route *table, size_t count,
                                       struct http_exchange *x, void *user)
{
    const struct http_head *head = http_exchange_head(x);
    struct http_route_match m = {NULL, {{NULL, 0}}};
    struct buf allow;
    struct err err;
    buf_init(&allow, ALLOW_MAX);
    int rc = http_dispatch_find(table, count, head->method, head->path, &m, &allow, &err);
    if (rc == 0) {
        m.route->handler(x, &m, user);
    } else {
        if (rc == -(int)ERR_METHOD_NOT_ALLOWED)
            http_reply_header(x, "Allow", buf_text(&allow));
        problem_reply(x, &err);
    }
    buf_fini(&allow);
    return m.route;
}
