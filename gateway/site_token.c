#include "gateway/site_token.h"

#include "base/buf.h"
#include "gateway/small_file.h"
#include "http/http_message.h"

#define TOKEN_MIN 16

int site_token_parse(struct site_token *t, struct slice text, const char *name, struct err *err)
{
    struct slice line;
    int number = 0;
    *t = (struct site_token){0};
    while (small_file_line(&text, &line, &number)) {
        if (t->count == SITE_TOKENS_MAX)
            return err_set(err, ERR_CONFIG, "%s:%d: more than %d tokens", name, number,
                           SITE_TOKENS_MAX);
        if (line.len < TOKEN_MIN)
            return err_set(err, ERR_CONFIG, "%s:%d: a token has at least %d characters", name,
                           number, TOKEN_MIN);
        digest_sha256_hex(line, t->hash_hex[t->count++]);
    }
    return t->count > 0 ? 0 : err_set(err, ERR_CONFIG, "%s: holds no token", name);
}

int site_token_read(struct site_token *t, const char *path, struct err *err)
{
    struct buf text;
    *t = (struct site_token){0};
    if (!*path)
        return 0;
    buf_init(&text, 4096);
    int rc = small_file_read(path, &text, err);
    if (rc == 0)
        rc = site_token_parse(t, buf_slice(&text), path, err);
    buf_fini(&text);
    return rc < 0 ? err_wrap(err, "remote.token_file") : 0;
}

bool site_token_accepts(const struct site_token *t, const struct http_head *head)
{
    struct slice sent = http_head_get(head, "Authorization");
    char hex[DIGEST_HEX];
    bool good = false;
    if (sent.len <= 9 || strncasecmp(sent.at, "Spillway ", 9) != 0)
        return false;
    digest_sha256_hex((struct slice){sent.at + 9, sent.len - 9}, hex);
    for (int i = 0; i < t->count; i++)
        good |= digest_equal(hex, t->hash_hex[i], DIGEST_HEX - 1);
    return good;
}
