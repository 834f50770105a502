/* site_token.h - which gateways of other sites are believed: `Authorization: Spillway TOKEN`. Pure
 * but for site_token_read(). One or two tokens, for rotation; only their hashes are kept. */
#pragma once
#include "base/digest.h"
#include "base/err.h"

struct http_head;

#define SITE_TOKENS_MAX 2

struct site_token {
    char hash_hex[SITE_TOKENS_MAX][DIGEST_HEX];
    int count;
};

/* An empty path: nobody is. */
int site_token_read(struct site_token *t, const char *path, struct err *err) CHECK_RESULT;
int site_token_parse(struct site_token *t, struct slice text, const char *name,
                     struct err *err) CHECK_RESULT;
bool site_token_accepts(const struct site_token *t, const struct http_head *head);
