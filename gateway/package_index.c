#include "gateway/package_index.h"

#include "base/json.h"

#define URL_MAX    512 /* of the configuration */
#define PAGE_MAX   ((size_t)1024 * 1024)
#define PLACES_MAX 3

static const char FILES[] = "/+files/";
static const char NPM[] = "/+npm/";

/* -- addresses -- */

/* "https://host:port" of "https://host:port/path". */
static size_t origin_len(const char *url)
{
    const char *host = strstr(url, "://");
    return host ? (size_t)(host + 3 - url) + strcspn(host + 3, "/") : strlen(url);
}

static int check_url(const char *key, const char *url, struct err *err)
{
    size_t scheme = strncmp(url, "https://", 8) == 0 ? 8 : 7;
    if (!*url)
        return 0;
    if (scheme == 7 && strncmp(url, "http://", 7) != 0)
        return err_set(err, ERR_CONFIG, "%s: '%s' is no http:// or https:// address", key, url);
    for (const char *p = url; *p; p++)
        if (*p <= ' ' || *p > '~' || strchr("\"'<>\\?#@", *p))
            return err_set(err, ERR_CONFIG, "%s: '%c' cannot stand in it", key, *p);
    if (origin_len(url) <= scheme || strlen(url) > URL_MAX)
        return err_set(err, ERR_CONFIG, "%s: it has no host, or is longer than %d", key, URL_MAX);
    return 0;
}

int package_index_check(const struct package_index *i, struct err *err)
{
    int rc = check_url("packages.python_index", i->python, err);
    if (rc == 0)
        rc = check_url("packages.python_files", i->files, err);
    if (rc == 0)
        rc = check_url("packages.npm_registry", i->npm, err);
    if (rc == 0 && *i->files && !*i->python)
        rc = err_set(err, ERR_CONFIG, "packages.python_files needs packages.python_index");
    return rc;
}

bool package_index_is_there(const struct package_index *i)
{
    return *i->python || *i->npm;
}

static const char *slash_behind(const char *url)
{
    size_t len = strlen(url);
    return len > 0 && url[len - 1] == '/' ? "" : "/";
}

struct json_t *package_index_paths(const struct package_index *i)
{
    struct json_t *j = json_new_object();
    if (*i->python) {
        struct buf path;
        buf_init(&path, URL_MAX + 2);
        buf_addf(&path, "%s%s", i->python + origin_len(i->python), slash_behind(i->python));
        json_set_text(j, "requirements", buf_text(&path));
        buf_fini(&path);
    }
    if (*i->npm)
        json_set_text(j, "npm", NPM);
    return j;
}

static bool climbs(struct slice target)
{
    for (size_t at = 0; at + 2 < target.len && target.at[at] != '?'; at++)
        if (strncmp(target.at + at, "/..", 3) == 0 || strncasecmp(target.at + at, "%2e", 3) == 0)
            return true;
    return false;
}

bool package_index_url(const struct package_index *i, struct slice target, struct buf *url)
{
    const char *base = NULL;
    size_t cut = 0;
    if (target.len == 0 || *target.at != '/' || climbs(target))
        return false;
    for (size_t at = 0; at < target.len; at++)
        if (target.at[at] <= ' ' || target.at[at] > '~')
            return false;
    if (slice_starts_with(target, FILES)) {
        base = i->files;
        cut = sizeof(FILES) - 1;
    } else if (slice_starts_with(target, NPM)) {
        base = i->npm;
        cut = sizeof(NPM) - 1;
    } else {
        base = i->python;
    }
    if (!*base)
        return false;
    if (cut > 0)
        buf_addf(url, "%s%s", base, slash_behind(base));
    else
        buf_add(url, base, origin_len(base));
    return buf_add(url, target.at + cut, target.len - cut);
}

/* -- pages -- */

struct place {
    const char *url;
    size_t len; /* without a slash at its end */
    const char *path;
};

/* The most exact one first. */
static size_t places_of(const struct package_index *i, struct place out[PLACES_MAX])
{
    const struct place all[PLACES_MAX] = {{i->npm, strlen(i->npm), NPM},
                                          {i->files, strlen(i->files), FILES},
                                          {i->python, origin_len(i->python), "/"}};
    size_t n = 0;
    for (size_t k = 0; k < PLACES_MAX; k++) {
        struct place p = all[k];
        if (p.len == 0)
            continue;
        p.len -= p.url[p.len - 1] == '/';
        size_t at = n++;
        for (; at > 0 && out[at - 1].len < p.len; at--)
            out[at] = out[at - 1];
        out[at] = p;
    }
    return n;
}

static bool stands_at(const struct place *p, struct slice text)
{
    return text.len > p->len && memcmp(text.at, p->url, p->len) == 0 && text.at[p->len] == '/';
}

static const struct place *place_at(const struct place *places, size_t count, struct slice text)
{
    for (size_t k = 0; k < count; k++)
        if (stands_at(&places[k], text))
            return &places[k];
    return NULL;
}

void package_links_init(struct package_links *l, const struct package_index *i)
{
    l->index = *i;
    buf_init(&l->kept, PAGE_MAX);
}

void package_links_fini(struct package_links *l)
{
    buf_fini(&l->kept);
}

void package_links_feed(struct package_links *l, struct slice piece, bool last, struct buf *out)
{
    struct place places[PLACES_MAX];
    size_t count = places_of(&l->index, places);
    size_t longest = count > 0 ? places[0].len : 0;
    buf_add(&l->kept, piece.at, piece.len);
    struct slice text = buf_slice(&l->kept);
    size_t at = 0, from = 0;
    if (text.len == 0)
        return;
    while (at < text.len && (last || text.len - at > longest)) {
        const char *next = memchr(text.at + at, 'h', text.len - at); /* as in http */
        at = next ? (size_t)(next - text.at) : text.len;
        if (!last && text.len - at <= longest)
            break;
        const struct place *p =
            place_at(places, count, (struct slice){text.at + at, text.len - at});
        if (p) {
            buf_add(out, text.at + from, at - from);
            buf_add_text(out, p->path);
            from = at = at + p->len + 1;
        } else {
            at += at < text.len;
        }
    }
    buf_add(out, text.at + from, at - from);
    buf_consume(&l->kept, at);
}
