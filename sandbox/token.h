/* token.h - who may call the agent: the bearer of a token of which we know only the SHA-256. Pure.
 */
#pragma once
#include "base/digest.h"
#include "base/slice.h"

struct token {
    char sha256_hex[DIGEST_HEX]; /* "": nobody may */
};

/* False when `sha256_hex` is not 64 lower-case hex digits. */
bool token_init(struct token *t, const char *sha256_hex);
/* `authorization`: the value of the field. Takes the same time for every wrong token of a length.
 */
bool token_accepts(const struct token *t, struct slice authorization);
