/* exec_fingerprint.h - is it the same run or another under its name? SHA-256 of language and
 * canonical body. Pure.
 *
 * The agent compares it within a session; it is kept with the record, so that the gateway can after
 * the session's end. The id is left out: it may come in the body or in a header field. */
#pragma once
#include "base/digest.h"
#include "base/err.h"
#include "base/slice.h"
#include <stdbool.h>

struct json_t;

void exec_fingerprint_text(const char *language, struct slice code, char out[DIGEST_HEX]);
/* `body` loses its execution_id. */
void exec_fingerprint_json(const char *language, struct json_t *body, char out[DIGEST_HEX]);
/* Of a body as it came; ERR_BAD_JSON. Parses all of it. */
int exec_fingerprint(const char *language, bool is_text, struct slice body, char out[DIGEST_HEX],
                     struct err *err) CHECK_RESULT;
