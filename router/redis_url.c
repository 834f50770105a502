#include "router/redis_url.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT_DEFAULT 6379
#define DATABASE_MAX 65535

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
static bool parse_authority(char *text, struct redis_url *out)
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

static int parse_tcp(const char *text, struct redis_url *out, struct err *err)
{
    char copy[sizeof(out->host) + 32];

    if (strlen(text) >= sizeof(copy) || strchr(text, '?'))
        return err_set(err, ERR_CONFIG, "a Redis URL is redis://host[:port][/db]");
    if (strchr(text, '@'))
        return err_set(err, ERR_CONFIG, "a Redis URL holds no password: it has a key of its own");
    snprintf(copy, sizeof(copy), "%s", text);
    char *slash = strchr(copy, '/');
    if (slash) {
        *slash++ = '\0';
        if (*slash != '\0' && !parse_number(slash, DATABASE_MAX, &out->database))
            return err_set(err, ERR_CONFIG, "\"%s\" is no number of a Redis database", slash);
    }
    if (!parse_authority(copy, out))
        return err_set(err, ERR_CONFIG, "\"%s\" is no host[:port]", text);
    return 0;
}

int redis_url_parse(const char *text, struct redis_url *out, struct err *err)
{
    struct redis_url url = {.port = PORT_DEFAULT};
    int rc;

    if (strncmp(text, "rediss://", 9) == 0)
        return err_set(err, ERR_CONFIG, "rediss:// needs TLS, which this hiredis does not have");
    if (strncmp(text, "unix://", 7) == 0)
        rc = parse_unix(text + 7, &url, err);
    else if (strncmp(text, "redis://", 8) == 0)
        rc = parse_tcp(text + 8, &url, err);
    else
        rc = err_set(err, ERR_CONFIG, "a Redis URL begins with unix:// or redis://");
    if (rc == 0)
        *out = url;
    return rc;
}

bool redis_url_is_numeric(const struct redis_url *url)
{
    unsigned char address[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, url->host, address) == 1 ||
           inet_pton(AF_INET6, url->host, address) == 1;
}
