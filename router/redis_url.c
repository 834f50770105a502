#include "router/redis_url.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT_DEFAULT          6379
#define SENTINEL_PORT_DEFAULT 26379
#define DATABASE_MAX          65535

static int parse_unix(const char *path, struct redis_url *out, struct err *err)
{
    if (path[0] != '/')
        return err_set(err, ERR_CONFIG, "the path of unix:// must begin with a slash");
    if (strlen(path) >= sizeof(out->path))
        return err_set(err, ERR_CONFIG, "the path of a unix socket has at most %zu bytes",
                       sizeof(out->path) - 1);
    snprintf(out->path, sizeof(out->path), "%s", path);
    return 0;
}

/* A whole number in [0,max] up to the end of the text. */
static bool parse_number(const char *text, long max, int *out)
{
    char *end;

    if (*text < '0' || *text > '9')
        return false;
    long n = strtol(text, &end, 10);
    if (*end != '\0' || n > max)
        return false;
    *out = (int)n;
    return true;
}

/* "host", "host:port", "[v6]", "[v6]:port" */
static bool parse_place(char *text, int default_port, struct redis_place *out)
{
    char *host = text;
    char *rest;

    if (*text == '[') {
        host = text + 1;
        rest = strchr(text, ']');
        if (!rest)
            return false;
        *rest++ = '\0';
    } else {
        rest = text + strcspn(text, ":");
    }
    out->port = default_port;
    if (*rest == ':') {
        *rest++ = '\0';
        if (!parse_number(rest, 65535, &out->port) || out->port == 0)
            return false;
    } else if (*rest != '\0') {
        return false;
    }
    size_t len = strlen(host);
    if (len == 0 || len >= sizeof(out->host))
        return false;
    memcpy(out->host, host, len + 1);
    return true;
}

static int parse_database(const char *text, struct redis_url *out, struct err *err)
{
    if (text && *text != '\0' && !parse_number(text, DATABASE_MAX, &out->database))
        return err_set(err, ERR_CONFIG, "\"%s\" is no number of a Redis database", text);
    return 0;
}

/* Cuts the text at its first slash; gives what follows, NULL: there is none. */
static char *cut_at_slash(char *text)
{
    char *slash = strchr(text, '/');
    if (slash)
        *slash++ = '\0';
    return slash;
}

static int parse_tcp(char *text, struct redis_url *out, struct err *err)
{
    const char *database = cut_at_slash(text);

    if (!parse_place(text, PORT_DEFAULT, &out->at))
        return err_set(err, ERR_CONFIG, "a Redis URL is redis://[user@]host[:port][/db]");
    return parse_database(database, out, err);
}

static int parse_sentinels(char *text, struct redis_url *out, struct err *err)
{
    char *name = cut_at_slash(text);
    const char *database = name ? cut_at_slash(name) : NULL;
    char *at = NULL;

    if (!name || *name == '\0' || strlen(name) >= sizeof(out->master) || *text == '\0')
        return err_set(err, ERR_CONFIG,
                       "with Sentinel a URL is redis+sentinel://[user@]host[:port]"
                       "[,host[:port]…]/master[/db]");
    snprintf(out->master, sizeof(out->master), "%s", name);
    for (char *one = strtok_r(text, ",", &at); one; one = strtok_r(NULL, ",", &at)) {
        if (out->sentinel_count == REDIS_SENTINELS_MAX)
            return err_set(err, ERR_CONFIG, "more than %d Sentinels", REDIS_SENTINELS_MAX);
        if (!parse_place(one, SENTINEL_PORT_DEFAULT, &out->sentinels[out->sentinel_count++]))
            return err_set(err, ERR_CONFIG, "\"%s\" is no host[:port] of a Sentinel", one);
    }
    return out->sentinel_count > 0 ? parse_database(database, out, err)
                                   : err_set(err, ERR_CONFIG, "no Sentinel is named");
}

/* "user@": gives what follows, NULL: it is no user's name. */
static const char *parse_user(const char *text, struct redis_url *out)
{
    const char *at = strrchr(text, '@');

    if (!at)
        return text;
    size_t len = (size_t)(at - text);
    if (len == 0 || len >= sizeof(out->user) || strcspn(text, ":@/%") < len)
        return NULL;
    memcpy(out->user, text, len);
    return at + 1;
}

static int parse_net(const char *text, bool sentinels, struct redis_url *out, struct err *err)
{
    char copy[REDIS_SENTINELS_MAX * REDIS_PLACE_TEXT];

    if (strlen(text) >= sizeof(copy) || strchr(text, '?'))
        return err_set(err, ERR_CONFIG, "a Redis URL has no parameters, and is not that long");
    text = parse_user(text, out);
    if (!text)
        return err_set(
            err, ERR_CONFIG,
            "before the @ of a Redis URL is the name of a user of at most %zu bytes; the "
            "password has a key of its own",
            sizeof(out->user) - 1);
    snprintf(copy, sizeof(copy), "%s", text);
    return sentinels ? parse_sentinels(copy, out, err) : parse_tcp(copy, out, err);
}

int redis_url_parse(const char *text, struct redis_url *out, struct err *err)
{
    struct redis_url url = {.database = 0};
    int rc;

    if (strncmp(text, "rediss://", 9) == 0)
        return err_set(err, ERR_CONFIG, "rediss:// needs TLS, which this hiredis does not have");
    if (strncmp(text, "unix://", 7) == 0)
        rc = parse_unix(text + 7, &url, err);
    else if (strncmp(text, "redis://", 8) == 0)
        rc = parse_net(text + 8, false, &url, err);
    else if (strncmp(text, "redis+sentinel://", 17) == 0)
        rc = parse_net(text + 17, true, &url, err);
    else
        rc = err_set(err, ERR_CONFIG,
                     "a Redis URL begins with unix://, redis:// or redis+sentinel://");
    if (rc == 0)
        *out = url;
    return rc;
}

bool redis_url_is_direct(const struct redis_url *url)
{
    unsigned char address[sizeof(struct in6_addr)];

    return url->path[0] != '\0' || inet_pton(AF_INET, url->at.host, address) == 1 ||
           inet_pton(AF_INET6, url->at.host, address) == 1;
}

bool redis_place_eq(const struct redis_place *a, const struct redis_place *b)
{
    return a->port == b->port && strcmp(a->host, b->host) == 0;
}

const char *redis_place_text(const struct redis_place *p, char out[REDIS_PLACE_TEXT])
{
    snprintf(out, REDIS_PLACE_TEXT, strchr(p->host, ':') ? "[%s]:%d" : "%s:%d", p->host, p->port);
    return out;
}
