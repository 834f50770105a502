/* digest.h - SHA-256, HMAC-SHA-256, hex, constant-time comparison (the only room that knows
 * libcrypto's digests). */
#pragma once
#include "base/cc.h"
#include "base/slice.h"
#include <stdbool.h>
#include <stdint.h>

#define DIGEST_BYTES 32
#define DIGEST_HEX   65 /* with the NUL */

void digest_sha256(struct slice in, uint8_t out[DIGEST_BYTES]);
void digest_sha256_hex(struct slice in, char out[DIGEST_HEX]);
void digest_hmac_sha256(struct slice key, struct slice in, uint8_t out[DIGEST_BYTES]);
void digest_hex(const uint8_t *in, size_t len, char *out);   /* out: 2*len+1 */
bool digest_equal(const void *a, const void *b, size_t len); /* time depends on len only */

/* SHA-256 of what comes in pieces. Heap object; digest_end() frees it, `out` may be NULL. */
struct digest;
struct digest *digest_begin(void) CHECK_RESULT;
void digest_add(struct digest *d, struct slice piece);
void digest_end(struct digest **d, char out[DIGEST_HEX]);
