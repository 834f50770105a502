/* The low-level SHA-256 of libcrypto, deprecated as it is: EVP and HMAC() would pull the whole
 * provider machinery into the statically linked agent, which must stay at a few MB. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/digest.h"

#include "base/mem.h"
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 64 /* of SHA-256, RFC 2104's B */

void digest_sha256(struct slice in, uint8_t out[DIGEST_BYTES])
{
    SHA256_CTX ctx;
    SHA256_Init(&ctx);
    SHA256_Update(&ctx, in.at, in.len);
    SHA256_Final(out, &ctx);
}

void digest_sha256_hex(struct slice in, char out[DIGEST_HEX])
{
    uint8_t sum[DIGEST_BYTES];
    digest_sha256(in, sum);
    digest_hex(sum, sizeof(sum), out);
}

struct digest {
    SHA256_CTX ctx;
};

struct digest *digest_begin(void)
{
    struct digest *d = mem_alloc(sizeof(*d));
    SHA256_Init(&d->ctx);
    return d;
}

void digest_add(struct digest *d, struct slice piece)
{
    SHA256_Update(&d->ctx, piece.at, piece.len);
}

void digest_end(struct digest **d, char out[DIGEST_HEX])
{
    uint8_t sum[DIGEST_BYTES];
    if (*d && out) {
        SHA256_Final(sum, &(*d)->ctx);
        digest_hex(sum, sizeof(sum), out);
    }
    free(*d);
    *d = NULL;
}

/* RFC 2104: hash((key ^ pad) || in). */
static void padded_hash(const uint8_t key[BLOCK_BYTES], uint8_t pad, struct slice in,
                        uint8_t out[DIGEST_BYTES])
{
    uint8_t block[BLOCK_BYTES];
    for (size_t i = 0; i < sizeof(block); i++)
        block[i] = key[i] ^ pad;
    SHA256_CTX ctx;
    SHA256_Init(&ctx);
    SHA256_Update(&ctx, block, sizeof(block));
    SHA256_Update(&ctx, in.at, in.len);
    SHA256_Final(out, &ctx);
    OPENSSL_cleanse(block, sizeof(block));
    OPENSSL_cleanse(&ctx, sizeof(ctx));
}

void digest_hmac_sha256(struct slice key, struct slice in, uint8_t out[DIGEST_BYTES])
{
    uint8_t padded_key[BLOCK_BYTES] = {0};
    uint8_t inner[DIGEST_BYTES];
    if (key.len > BLOCK_BYTES)
        digest_sha256(key, padded_key);
    else if (key.len)
        memcpy(padded_key, key.at, key.len);
    padded_hash(padded_key, 0x36, in, inner);
    padded_hash(padded_key, 0x5c, (struct slice){(const char *)inner, sizeof(inner)}, out);
    OPENSSL_cleanse(padded_key, sizeof(padded_key));
}

void digest_hex(const uint8_t *in, size_t len, char *out)
{
    static const char DIGITS[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = DIGITS[in[i] >> 4];
        out[2 * i + 1] = DIGITS[in[i] & 15];
    }
    out[2 * len] = '\0';
}

bool digest_equal(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}
