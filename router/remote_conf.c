#include "router/remote_conf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define TOKEN_MIN 16

static const char *const KNOWN[] = {"name",     "url",       "token_file",
                                    "ca_file",  "cert_file", "key_file",
                                    "priority", "weight",    "max_sessions"};

static int check_keys(const struct config_map *row, struct err *err)
{
    for (size_t i = 0; i < row->count; i++) {
        bool found = false;
        for (size_t k = 0; k < ARRAY_LEN(KNOWN) && !found; k++)
            found = strcmp(row->keys[i], KNOWN[k]) == 0;
        if (!found)
            return err_set(err, ERR_CONFIG, "unknown key '%s'", row->keys[i]);
    }
    return 0;
}

static int read_number(const struct config_map *row, const char *key, int64_t min, int64_t max,
                       int64_t *out, struct err *err)
{
    const char *text = config_map_get(row, key);
    char *end;
    if (!text)
        return 0;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (!*text || *end || errno != 0 || v < min || v > max)
        return err_set(err, ERR_CONFIG, "%s: '%s' is no whole number from %lld to %lld", key, text,
                       (long long)min, (long long)max);
    *out = v;
    return 0;
}

static bool is_label(const char *text)
{
    size_t len = strlen(text);
    if (len == 0 || len >= REMOTE_NAME_SIZE || *text == '-' || text[len - 1] == '-')
        return false;
    return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

/* The token would travel for all to see. */
static bool is_of_this_machine(struct slice url)
{
    return slice_starts_with(url, "http://127.") || slice_starts_with(url, "http://[::1]") ||
           slice_starts_with(url, "http://localhost:");
}

static int check_words(const struct remote_conf *c, struct err *err)
{
    struct slice url = slice_of(c->url);
    if (!is_label(c->name))
        return err_set(err, ERR_CONFIG, "name: '%s' is not a DNS label", c->name);
    if (strcmp(c->name, "auto") == 0 || strcmp(c->name, "local") == 0 ||
        strcmp(c->name, "remote") == 0)
        return err_set(err, ERR_CONFIG, "name: '%s' is a word of placement", c->name);
    if (!slice_starts_with(url, "https://") && !is_of_this_machine(url))
        return err_set(err, ERR_CONFIG, "url: '%s' must begin with https://", c->url);
    if (strpbrk(c->url, " \t?#"))
        return err_set(err, ERR_CONFIG, "url: '%s' must end with its host, port or path", c->url);
    if (!c->token_file)
        return err_set(err, ERR_CONFIG, "token_file is needed");
    if (!c->cert_file != !c->key_file)
        return err_set(err, ERR_CONFIG, "cert_file and key_file go together");
    return 0;
}

int remote_conf_parse(struct remote_conf *out, const struct config_map *row, struct err *err)
{
    const char *name = config_map_get(row, "name");
    const char *url = config_map_get(row, "url");
    *out = (struct remote_conf){.weight = 1,
                                .url = url ? url : "",
                                .token_file = config_map_get(row, "token_file"),
                                .ca_file = config_map_get(row, "ca_file"),
                                .cert_file = config_map_get(row, "cert_file"),
                                .key_file = config_map_get(row, "key_file")};
    snprintf(out->name, sizeof(out->name), "%s", name ? name : "");
    int rc = check_keys(row, err);
    if (rc == 0)
        rc = read_number(row, "priority", -1000, 1000, &out->priority, err);
    if (rc == 0)
        rc = read_number(row, "weight", 0, 1000, &out->weight, err);
    if (rc == 0)
        rc = read_number(row, "max_sessions", 0, 1000000, &out->max_sessions, err);
    return rc == 0 ? check_words(out, err) : rc;
}

int remote_conf_set_token(struct remote_conf *out, struct slice token, struct err *err)
{
    if (token.len < TOKEN_MIN || token.len >= sizeof(out->token))
        return err_set(err, ERR_CONFIG, "a token has %d to %zu characters", TOKEN_MIN,
                       sizeof(out->token) - 1);
    for (size_t i = 0; i < token.len; i++) {
        if (token.at[i] <= ' ' || token.at[i] > '~')
            return err_set(err, ERR_CONFIG, "a token has printable characters only");
    }
    memcpy(out->token, token.at, token.len);
    out->token[token.len] = '\0';
    return 0;
}
