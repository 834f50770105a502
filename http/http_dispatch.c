#include "http/http_dispatch.h"

#include "base/mem.h"
#include "http/http_reply.h"
#include "http/problem.h"

#define ALLOW_MAX    ((size_t)256)
#define SEGMENTS_MAX 12 /* of a pattern */
#define METHODS_MAX  8

/* A path's segments, found once for all the patterns it is held against. */
struct segments {
    struct slice at[SEGMENTS_MAX]; /* the first of them */
    bool routes[SEGMENTS_MAX];
    unsigned count; /* of all */
    const char *end;
};

/* Two readers must not see two paths in one: what an escape or a dot could turn into another path
 * does not route. */
static bool is_plain(const char *at, const char *end)
{
    if (at == end || (*at == '.' && (end - at == 1 || (end - at == 2 && at[1] == '.'))))
        return false;
    for (; at < end; at++) {
        if (*at == '%' || *at == ';' || *at == '\\')
            return false;
    }
    return true;
}

/* The path begins with '/'. */
static void split(struct segments *s, struct slice path)
{
    s->count = 0;
    s->end = path.at + path.len;
    for (const char *at = path.at; at < s->end;) {
        const char *begin = ++at;
        while (at < s->end && *at != '/')
            at++;
        if (s->count < SEGMENTS_MAX) {
            s->at[s->count] = (struct slice){begin, (size_t)(at - begin)};
            s->routes[s->count] = is_plain(begin, at);
        }
        s->count++;
    }
}

struct match {
    struct slice params[HTTP_ROUTE_PARAMS_MAX];
    unsigned count;
    unsigned score; /* one bit a segment, set where it was literal: the first segments weigh most */
    bool bad_segment; /* fits but for a segment that may not route */
};

static void add_param(struct match *m, struct slice value)
{
    INVARIANT(m->count < HTTP_ROUTE_PARAMS_MAX);
    m->params[m->count++] = value;
}

/* A row's pattern, cut once; in front what tells most of them apart. */
struct http_pattern {
    unsigned count;
    bool rest;                        /* the last one takes all that follows */
    struct slice last;                /* of the parts */
    struct slice parts[SEGMENTS_MAX]; /* a literal; at NULL: a parameter */
};

static void cut(struct http_pattern *p, const char *pattern)
{
    while (*pattern == '/') {
        const char *end = strchrnul(++pattern, '/');
        INVARIANT(p->count < SEGMENTS_MAX);
        if (*pattern != '{')
            p->parts[p->count] = (struct slice){pattern, (size_t)(end - pattern)};
        else
            p->rest = end[-2] == '.'; /* {name...} */
        p->last = p->parts[p->count++];
        pattern = end;
    }
    INVARIANT(*pattern == '\0');
}

static const struct http_pattern *patterns_of(struct http_routes *routes)
{
    if (!routes->patterns) {
        routes->patterns = mem_array(routes->count, sizeof(*routes->patterns));
        for (size_t i = 0; i < routes->count; i++)
            cut(&routes->patterns[i], routes->rows[i].pattern);
    }
    return routes->patterns;
}

static bool is_same(struct slice a, struct slice b)
{
    return a.len == b.len && memcmp(a.at, b.at, a.len) == 0;
}

/* Whether the path may fit: its length and its end tell most patterns apart. */
static bool may_fit(const struct http_pattern *p, const struct segments *path)
{
    if (path->count != p->count)
        return p->rest && path->count > p->count;
    return !p->last.at || is_same(p->last, path->at[p->count - 1]);
}

/* Whether the path fits a pattern that it may fit. */
static bool fits(const struct http_pattern *p, const struct segments *path, struct match *m)
{
    unsigned bit = 1u << 31;
    m->count = m->score = 0;
    m->bad_segment = false;
    for (unsigned i = 0; i < p->count; i++, bit >>= 1) {
        struct slice part = p->parts[i], have = path->at[i];
        if (part.at) {
            if (!is_same(part, have))
                return false;
            m->score |= bit;
        } else if (p->rest && i + 1 == p->count) {
            add_param(m, (struct slice){have.at, (size_t)(path->end - have.at)});
            return have.at < path->end;
        } else {
            m->bad_segment |= !path->routes[i];
            add_param(m, have);
        }
    }
    return true;
}

static bool method_fits(enum http_method have, enum http_method asked)
{
    return have == asked || (have == HTTP_METHOD_GET && asked == HTTP_METHOD_HEAD);
}

static void add_allow(struct buf *allow, enum http_method m)
{
    const char *name = http_method_text(m);
    if (allow->len > 0 && strstr(buf_text(allow), name) != NULL)
        return;
    buf_addf(allow, "%s%s", allow->len > 0 ? ", " : "", name);
    if (m == HTTP_METHOD_GET)
        buf_add_text(allow, ", HEAD");
}

/* The rows whose pattern fits best; they differ in their methods. */
struct best {
    const struct http_route *rows[METHODS_MAX];
    unsigned count;
    unsigned score;
    bool bad_segment;
};

/* The best pattern wins whatever its methods are, so that a parameter never hides behind a
 * literal's 405. */
static void find_best(struct http_routes *routes, const struct segments *path, struct best *best)
{
    const struct http_pattern *patterns = patterns_of(routes);
    struct match m;
    best->count = 0;
    for (size_t i = 0; i < routes->count; i++) {
        if (!may_fit(&patterns[i], path) || !fits(&patterns[i], path, &m))
            continue;
        if (best->count > 0 && m.score < best->score)
            continue;
        if (best->count == 0 || m.score > best->score) {
            best->score = m.score;
            best->bad_segment = m.bad_segment;
            best->count = 0;
        }
        INVARIANT(best->count < METHODS_MAX);
        best->rows[best->count++] = &routes->rows[i];
    }
}

static bool find_method(const struct http_routes *routes, const struct best *best,
                        const struct segments *path, enum http_method method,
                        struct http_route_match *out, struct buf *allow)
{
    struct match m;
    for (unsigned i = 0; i < best->count; i++) {
        if (!method_fits(best->rows[i]->method, method)) {
            add_allow(allow, best->rows[i]->method);
            continue;
        }
        (void)fits(&routes->patterns[best->rows[i] - routes->rows], path, &m);
        out->route = best->rows[i];
        memcpy(out->params, m.params, m.count * sizeof(*out->params));
        return true;
    }
    return false;
}

int http_dispatch_find(struct http_routes *routes, enum http_method method, struct slice path,
                       struct http_route_match *m, struct buf *allow, struct err *err)
{
    struct segments segments;
    struct best best;
    if (path.len == 0 || path.at[0] != '/')
        return err_set(err, ERR_BAD_REQUEST, "the path must begin with '/'");
    split(&segments, path);
    find_best(routes, &segments, &best);
    if (best.count > 0 && best.bad_segment)
        return err_set(
            err, ERR_BAD_REQUEST,
            "an empty segment, '.', '..', ';', '\\' or '%%' cannot stand here in the path");
    if (best.count == 0)
        return err_set(err, ERR_NOT_FOUND, "there is nothing at %.*s",
                       path.len > 200 ? 200 : (int)path.len, path.at);
    if (find_method(routes, &best, &segments, method, m, allow))
        return 0;
    return err_set(err, ERR_METHOD_NOT_ALLOWED, "here are only: %s", buf_text(allow));
}

const struct http_route *http_dispatch(struct http_routes *routes, struct http_exchange *x,
                                       void *user)
{
    const struct http_head *head = http_exchange_head(x);
    struct http_route_match m = {NULL, {{NULL, 0}}};
    struct buf allow;
    struct err err;
    buf_init(&allow, ALLOW_MAX);
    int rc = http_dispatch_find(routes, head->method, head->path, &m, &allow, &err);
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
