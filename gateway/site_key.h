/* site_key.h - the secret that the gateways of a site share, and what is signed with it. Pure but
 * for site_key_read().
 *
 * There may be two keys, for rotation: the first signs, both are tried where something signed
 * earlier must be met. */
#pragma once
#include "base/digest.h"
#include "base/err.h"

#define SITE_KEYS_MAX 2
#define SITE_KEY_MAX  128

struct site_key {
    uint8_t bytes[SITE_KEYS_MAX][SITE_KEY_MAX];
    size_t lens[SITE_KEYS_MAX];
    int count;
};

int site_key_read(struct site_key *k, const char *path, struct err *err) CHECK_RESULT;
int site_key_parse(struct site_key *k, struct slice text, const char *name,
                   struct err *err) CHECK_RESULT;
struct slice site_key_at(const struct site_key *k, int index);
/* The agent's token: hex(HMAC(key, id . epoch . nonce)), docs/agent-api.md. */
void site_key_token(const struct site_key *k, int index, const char *session_id, const char *epoch,
                    const char *nonce, char out[DIGEST_HEX]);
